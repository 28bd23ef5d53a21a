"""What requests look like. Unknown fields are refused; what is wrong is said in sentences."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self, TypeVar

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    WithJsonSchema,
)

from service.errors import InvalidFields, NotJson
from service.tasks.base import Query, Task
from service.tasks.complaints import complaints, kind

MAX_TEXTS = 32
MAX_CHARACTERS = 8192
MAX_MEMBERS = 64
"""Of an object: more than any has fields."""


def _has_characters(text: str) -> str:
    if not text.strip():
        message = "is empty or blank; a text of at least one character needed: send text"
        raise ValueError(message)
    if len(text) > MAX_CHARACTERS:
        message = (
            f"has {len(text):,} characters; at most {MAX_CHARACTERS:,} needed: shorten or split the text"
        )
        raise ValueError(message)
    return text


def _is_batch(texts: list[object]) -> list[object]:
    if not 1 <= len(texts) <= MAX_TEXTS:
        do = "split the list over several requests" if texts else "send at least one"
        message = f"has {len(texts):,} texts; 1 to {MAX_TEXTS} needed: {do}"
        raise ValueError(message)
    return texts


def _form_of(value: object) -> str:
    return "list" if isinstance(value, list) else "text"


Model = TypeVar("Model", bound=BaseModel)
_TEXT_SCHEMA: Final = {"type": "string", "minLength": 1, "maxLength": MAX_CHARACTERS, "pattern": r"\S"}
Text = Annotated[str, AfterValidator(_has_characters)]
# Length first, so that a list of a million texts is refused before its texts are looked at.
Texts = Annotated[
    Annotated[Text, Tag("text")] | Annotated[list[Text], BeforeValidator(_is_batch), Tag("list")],
    Discriminator(_form_of),
    # What the validators hold to, in words that other tools read.
    WithJsonSchema(
        {
            "anyOf": [
                _TEXT_SCHEMA,
                {"type": "array", "items": _TEXT_SCHEMA, "minItems": 1, "maxItems": MAX_TEXTS},
            ]
        }
    ),
]


class Strict(BaseModel):
    """Base of what is taken from clients: no unknown fields, and no other types than are said."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Request(Strict):
    """Base of the requests: one text, or a list of up to 32."""

    inputs: ClassVar[tuple[str, ...]] = ("text",)
    """The fields that are tensors of texts in the Open Inference Protocol; the others are parameters."""

    text: Texts = Field(description="A text, or a list of up to 32 texts.", examples=["中国的首都是[MASK]。"])

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a request's body.

        Raises:
            NotJson: It is not JSON in UTF-8; lone surrogates and NaN are not either.
            InvalidFields: It does not have the fields that are needed.
        """
        return cls.of(document(body))

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Take the fields of a request.

        Raises:
            InvalidFields: They are not those that are needed.
        """
        return validated(cls, fields)

    @property
    def single(self) -> bool:
        """Whether one text was sent, so that one result goes back, not a list."""
        return isinstance(self.text, str)

    @property
    def queries(self) -> tuple[Query, ...]:
        """What is asked, one by one."""
        return tuple(Query(text) for text in listed(self.text))

    @property
    def task(self) -> Task:
        """What is to be done with each query."""
        raise NotImplementedError


def listed(texts: str | list[str]) -> list[str]:
    """Return one text, or several, as a list."""
    return [texts] if isinstance(texts, str) else texts


def validated(schema: type[Model], fields: Mapping[str, Any]) -> Model:
    """Return the fields as a model; raise InvalidFields with a sentence for each that is wrong."""
    if len(fields) > MAX_MEMBERS:  # then most are unknown, and there may be a hundred thousand
        unknown = [name for name in fields if name not in schema.model_fields]
        said = "is unknown; only known fields are taken: remove it or check its spelling"
        raise InvalidFields(dict.fromkeys(unknown, said))
    try:
        return schema.model_validate(fields)
    except ValidationError as error:
        raise InvalidFields(complaints(error, fields)) from None


def few(members: object) -> object:
    """Let an object pass that has no more members than anybody needs; for a `BeforeValidator`."""
    if isinstance(members, dict) and len(members) > MAX_MEMBERS:
        message = f"has {len(members):,} members; at most {MAX_MEMBERS} needed: leave out what is not known"
        raise ValueError(message)
    return members


Parameters = Annotated[dict[str, bool | int | float | str], BeforeValidator(few)]
"""Of the Open Inference Protocol's requests."""


def document(body: bytes) -> dict[str, Any]:
    """Return a body's JSON object; raise NotJson, or InvalidFields if it is something else."""
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(
            seen=f"a body of {len(body):,} bytes that is not JSON ({error})",
            needed="a JSON object in UTF-8",
            do='send one like {"text": "中国的首都是[MASK]。"}',
        ) from None
    if not isinstance(content, dict):
        raise InvalidFields({"body": f"is {kind(content)}; a JSON object needed: send one with named fields"})
    return content
