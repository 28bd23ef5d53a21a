"""What a ModelRollout is made of: field types, and rules that Python and the API server share."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mesh import duration

NAME_PATTERN: Final = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$"
LABEL_PATTERN: Final = r"^[a-z]([a-z0-9-]*[a-z0-9])?$"

Version = Annotated[str, Field(min_length=1, max_length=58, pattern=NAME_PATTERN)]
"""A version's name: the value of its label and, behind the Service's name, the name of its Deployment."""
Label = Annotated[str, Field(min_length=1, max_length=63, pattern=LABEL_PATTERN)]
Percent = Annotated[int, Field(ge=0, le=100)]
Url = Annotated[str, Field(max_length=512, pattern=r"^https?://[^\s/]+")]
Text = Annotated[str, Field(max_length=1024)]
Word = Annotated[str, Field(max_length=256)]


def json_name(name: str) -> str:
    """Return a field's name as the API has it: camel case; a duration carries its unit itself."""
    first, *others = name.removesuffix("_s").split("_")
    return first + "".join(word.capitalize() for word in others)


def unreadable(*durations: str) -> str:
    """Return what ends a CEL rule about durations: one that is none is refused by its pattern alone."""
    return "".join(f" || !{each}.matches('{duration.PATTERN}')" for each in durations)


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
    Plain dataclasses of the core that stand in it are read and written in the same way.
    """

    model_config = ConfigDict(
        alias_generator=json_name,
        populate_by_name=True,
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra=_schema_of,
    )
    RULES: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        for rule in self.RULES:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self


class Record(BaseModel):
    """A part of the status: written by the controller; a newer controller's fields are passed over."""

    model_config = ConfigDict(alias_generator=json_name, populate_by_name=True, extra="ignore", frozen=True)
