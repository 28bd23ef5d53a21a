"""What people order that differs from a ModelRollout's spec, until the spec says something else.

Nobody but its owner writes into a spec: a field that two have written belongs to the last of them, and the
other's next `helm upgrade` or sync is refused. So an order is remembered, field by field, beside what the
spec said when it was given, and is over once the spec says something else there: the last word counts. Fields
are named by their path (`policy.steps`). Pure functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

VERSIONS: Final = ("stable", "canary")
OF_START: Final = (*VERSIONS, "policy", "shadow")
"""What a start says goes together: it is over when the spec says other versions."""


@dataclass(frozen=True)
class Override:
    """A field of the spec: what it ``said`` when something else was ``ordered``; None is nothing."""

    said: Any
    ordered: Any


Overrides = Mapping[str, Override]


def after_start(spec: Mapping[str, Any], asked: Mapping[str, Any], stands: Overrides) -> Overrides:
    """Return the overrides after a start that asks for fields, which may be maps; ``stands`` held before it.

    A start that names no canary is one of the version that is on trial already.
    """
    kept = {path: each for path, each in stands.items() if _field(path) not in OF_START}
    versions = {name: stands.get(name, Override(spec.get(name), spec.get(name))) for name in VERSIONS}
    return {**kept, **versions, **given(spec, asked)}


def given(spec: Mapping[str, Any], asked: Mapping[str, Any]) -> Overrides:
    """Return the overrides that make the spec say what is asked."""
    flat: dict[str, Any] = {}
    for name, value in asked.items():
        flat |= (
            {f"{name}.{key}": each for key, each in value.items()}
            if isinstance(value, Mapping)
            else {name: value}
        )
    return {path: Override(_at(spec, path), value) for path, value in flat.items()}


def standing(spec: Mapping[str, Any], overrides: Overrides) -> Overrides:
    """Return the overrides that still hold."""
    left = {path: each for path, each in overrides.items() if _at(spec, path) == each.said}
    over = any(name in overrides and name not in left for name in VERSIONS)
    return {path: each for path, each in left.items() if not (over and _field(path) in OF_START)}


def overridden(spec: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return the spec that holds; ``overrides`` must be those that stand."""
    whole = dict(spec)
    for path, each in overrides.items():
        name, _, key = path.partition(".")
        whole[name] = _with(whole.get(name) or {}, key, each.ordered) if key else each.ordered
    return _without_nothing(whole)


def _with(part: Mapping[str, Any], key: str, value: object) -> dict[str, Any]:
    return _without_nothing({**part, key: value})


def _without_nothing(part: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in part.items() if value is not None}


def _field(path: str) -> str:
    return path.partition(".")[0]


def _at(spec: Mapping[str, Any], path: str) -> object:
    name, _, key = path.partition(".")
    value = spec.get(name)
    return (value or {}).get(key) if key else value
