"""Copies of JSON values."""

from typing import TypeVar

import orjson

Value = TypeVar("Value")


def clone(value: Value) -> Value:
    """Return a deep copy; on whole CRDs this is many times faster than `copy.deepcopy`."""
    copied: Value = orjson.loads(orjson.dumps(value))
    return copied
