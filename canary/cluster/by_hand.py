"""What people order that differs from a ModelRollout's spec, until the spec says something else.

Nobody but its owner writes into a spec: a field that two have written belongs to the last of them, and the
other's next `helm upgrade` or sync is refused. So an order is remembered beside what the spec said when it
was given, and is over once the spec says something else there: the last word counts. Pure functions.
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


def given(spec: Mapping[str, Any], asked: Mapping[str, Any]) -> Overrides:
    """Return the overrides that an order makes: ``asked`` stands over the spec, within maps key by key."""
    versions = {name: spec.get(name) for name in VERSIONS if "canary" in asked}
    whole = {**versions, **{name: _over(spec.get(name), value) for name, value in asked.items()}}
    return {name: Override(spec.get(name), value) for name, value in whole.items()}


def standing(spec: Mapping[str, Any], overrides: Overrides) -> Overrides:
    """Return the overrides that still hold."""
    left = {name: each for name, each in overrides.items() if spec.get(name) == each.said}
    over = any(name in overrides and name not in left for name in VERSIONS)
    return {name: each for name, each in left.items() if not (over and name in OF_START)}


def overridden(spec: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Return the spec that holds; ``overrides`` must be those that stand."""
    changed = {name: each.ordered for name, each in overrides.items()}
    return {name: value for name, value in {**spec, **changed}.items() if value is not None}


def _over(said: object, ordered: object) -> object:
    """Return ``ordered``, with what a map of the spec says beside."""
    return {**said, **ordered} if isinstance(said, Mapping) and isinstance(ordered, Mapping) else ordered
