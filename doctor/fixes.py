"""Commands that mend: patches that can be pasted into a shell."""

import json
import shlex
from collections.abc import Mapping
from typing import Any

from doctor.model import Object


def merge(target: Object, patch: Mapping[str, Any]) -> str:
    """Return the command that changes an object by a merge patch."""
    return f"{_patch(target)} --type=merge -p {_json(patch)}"


def replace(target: Object, pointer: str, value: object) -> str:
    """Return the command that sets one place, inside a list too; ``pointer`` is a JSON pointer."""
    change = [{"op": "add", "path": pointer, "value": value}]
    return f"{_patch(target)} --type=json -p {_json(change)}"


def label(target: Object, pair: str) -> str:
    """Return the command that sets a label, ``pair`` being ``key=value`` or ``key-`` to remove it."""
    return f"kubectl {_place(target)}label {_name(target)} {pair} --overwrite"


def _patch(target: Object) -> str:
    return f"kubectl {_place(target)}patch {_name(target)}"


def _place(target: Object) -> str:
    return f"-n {target.namespace} " if target.namespace else ""


def _name(target: Object) -> str:
    group = f".{target.group}" if target.group and target.group != "apps" else ""
    return f"{target.kind.lower()}{group}/{target.name}"


def _json(value: object) -> str:
    return shlex.quote(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
