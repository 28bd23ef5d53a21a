"""What a ModelRollout is made of: field types, and rules that Python and the API server share."""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

NAME_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
LABEL_PATTERN: Final = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"
# Kubernetes' own form for durations in new interfaces (Gateway API's GEP-2257): Go and CEL read it.
DURATION_PATTERN: Final = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
SECONDS: Final[Mapping[str, float]] = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}

Version = Annotated[str, Field(min_length=1, max_length=58, pattern=NAME_PATTERN)]
"""A version's name: the value of its label and, behind the Service's name, the name of its Deployment."""
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
Duration = Annotated[str, Field(min_length=2, max_length=28, pattern=DURATION_PATTERN)]
Percent = Annotated[int, Field(ge=0, le=100)]
Header = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
Url = Annotated[str, Field(max_length=512, pattern=r"^https?://[^\s/]+")]
Text = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(max_length=256)]


def seconds(duration: str) -> float:
    """Return a duration such as ``1h30m`` in seconds."""
    return sum(int(number) * SECONDS[unit] for number, unit in re.findall(r"([0-9]+)(ms|h|m|s)", duration))


@dataclass(frozen=True)
class Rule:
    """A condition on several fields, said once for the API server (CEL) and once for Python.

    ``holds`` is None for a rule about a change (it names ``oldSelf``): only the API server sees both sides.
    A test checks on many objects that both say the same.
    """

    cel: str
    message: str
    field: str
    holds: Callable[[Any], bool] | None = None

    def as_schema(self) -> dict[str, str]:
        """Return the entry of ``x-kubernetes-validations``."""
        return {"rule": self.cel, "message": self.message, "fieldPath": self.field}


def _schema_of(schema: dict[str, Any], part: type[BaseModel]) -> None:
    rules: Sequence[Rule] = getattr(part, "RULES", ())
    if rules:
        schema["x-kubernetes-validations"] = [rule.as_schema() for rule in rules]


class Part(BaseModel):
    """A part of the spec, read as strictly as the API server does it with ``--validate=strict``.

    Unknown fields are refused, so that a typing error never passes for a default; ``"5"`` is no number.
    """

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra=_schema_of,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for name in type(self).model_fields:
            self._check_repetition(name)
        for rule in self.RULES:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    def _check_repetition(self, name: str) -> None:
        extra = type(self).model_fields[name].json_schema_extra
        kind = extra.get("x-kubernetes-list-type") if isinstance(extra, dict) else None
        if kind in ("set", "map"):
            entries = [getattr(item, "name", item) for item in getattr(self, name) or ()]
            for entry, count in Counter(entries).items():
                if count > 1:
                    message = f"{name} has {entry!r} {count} times: keep one of them"
                    raise ValueError(message)


class Record(BaseModel):
    """A part of the status: written by the controller; a newer controller's fields are passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True)


def listed(kind: str, *keys: str) -> dict[str, Any]:
    """Say how server-side apply merges a list: ``atomic``, ``set``, or ``map`` by ``keys``."""
    merged = {"x-kubernetes-list-type": kind}
    return {**merged, "x-kubernetes-list-map-keys": list(keys)} if keys else merged
