"""Durations as Kubernetes writes them now (Gateway API's GEP-2257): ``30s``, ``1h30m``, ``500ms``.

Go and CEL read them, Istio and a ModelRollout have them; in Python they are seconds.
"""

import re
from datetime import timedelta
from typing import Annotated, Final

import durationpy
from pydantic import BeforeValidator, PlainSerializer, ValidationInfo, WithJsonSchema

PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
LONGEST: Final = 28
MS: Final = 1000


def seconds(text: object) -> float:
    """Return a duration in seconds.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(text, str) or not re.fullmatch(PATTERN, text):
        message = f"a duration is written like 30s, 1h30m or 500ms, got {text!r}"
        raise ValueError(message)
    return float(durationpy.from_str(text).total_seconds())


def text(seconds: float) -> str:
    """Return ``seconds`` as a duration, to the millisecond."""
    whole, milliseconds = divmod(round(seconds * MS), MS)
    if not milliseconds and not whole:
        return "0s"
    parts = [durationpy.to_str(timedelta(seconds=whole))] if whole else []
    return "".join([*parts, f"{milliseconds}ms"] if milliseconds else parts)


def _read(value: object, info: ValidationInfo) -> object:
    """Read what is written down; Python's own callers give seconds."""
    return seconds(value) if info.mode == "json" or isinstance(value, str) else value


Seconds = Annotated[
    float,
    BeforeValidator(_read),
    PlainSerializer(text, when_used="json"),
    WithJsonSchema({"type": "string", "minLength": 2, "maxLength": LONGEST, "pattern": PATTERN}),
]
"""A number of seconds in Python, a duration where it is written down."""
