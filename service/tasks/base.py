"""What every task is made of: a question, steps over an engine's arrays, an answer of its own type. No I/O.

A task is a file of this folder with four things: a `Task`, its `Answer`, its `Request`, and an `Endpoint`
that puts them together; the endpoint is named in `service.tasks.table`. All else follows: the path, its
description and its page, its tensors over REST and gRPC, the cache, the comparison of a canary's answers.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Final, Self

import orjson
from pydantic import TypeAdapter

from service.engine import Array, Item
from service.errors import TextEmpty
from service.tasks.agreement import Agreement
from service.tasks.tensors import Output, Tensor
from service.text.codec import Encoded
from service.text.tokenizer import Tokenizer
from service.text.windows import windows

_SPECIAL: Final = 2  # [CLS] and [SEP]
_TOKENS_A_CHARACTER: Final = 4
"""At most, by decomposition to NFD (https://unicode.org/faq/normalization.html)."""


@dataclass(frozen=True)
class Query:
    """One thing asked: a text, or a pair of texts."""

    text: str
    pair: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts to compute."""
        return (self.text,) if self.pair is None else (self.text, self.pair)


@dataclass(frozen=True)
class Reader:
    """What turns an engine's arrays into answers: the tokenizer and the model's calibration.

    ``temperature`` divides the logits. ``center`` (hidden,) is subtracted from text vectors before
    they are compared.
    """

    codec: Tokenizer
    temperature: float
    center: Array


class Answer(ABC):
    """What a task answers to one query: a frozen dataclass.

    As it stands here it is its own document: its fields are what JSON shows. Where that is another form,
    ``form``, ``document`` and ``unpack`` say so.
    """

    form: ClassVar[Any] = None
    """The type of the document, for its description; None says that it is the class itself."""
    tensors: ClassVar[Sequence[Tensor]]
    """What `outputs` returns."""

    @classmethod
    @abstractmethod
    def outputs(cls, answers: Sequence[Self]) -> Sequence[Output]:
        """Return the tensors of a request's answers, as ``tensors`` describes them."""

    @abstractmethod
    def compared(self, canary: Self) -> Agreement:
        """Compare this, the stable's answer, with a canary's to the same question; both may be `bare`."""

    @abstractmethod
    def shown(self) -> str:
        """Return it as people read it, shortened; no text of the request may be in it."""

    def document(self) -> object:
        """Return what stands in ``result``, ready for JSON."""
        return self

    def pack(self) -> bytes:
        """Return what is kept of it in the cache."""
        return orjson.dumps(self.document(), option=orjson.OPT_SERIALIZE_NUMPY)

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Return the answer that was packed.

        Raises:
            ValueError: It is none of this task's.
        """
        answer: Self = reading(cls).validate_json(content)
        return answer

    def may_fit(self, limit: int) -> bool:  # noqa: ARG002 - most answers are small
        """Tell cheaply whether packed it may have at most ``limit`` bytes."""
        return True

    def bare(self) -> Self:
        """Return it without any text of the request: what is compared."""
        return self

    @property
    def unsure(self) -> Sequence[bool]:
        """For each thing that it tells with a probability, whether that is a guess."""
        return ()


Steps = Generator[Sequence[Item], Sequence[Array], Answer]
"""Yields items, is sent an array for each, and returns the answer after as many rounds as it needs."""


class Task(ABC):
    """One kind of question: a frozen dataclass of what it is asked with."""

    name: ClassVar[str]
    answer: ClassVar[type[Answer]]

    @property
    def parameters(self) -> str:
        """What else an answer depends on, for the cache."""
        return repr(self)

    @abstractmethod
    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for arrays and return the answer; raises RequestError at the first step."""

    def check(self, queries: Sequence[Query], codec: Tokenizer) -> None:  # noqa: B027 - most accept any text
        """Raise RequestError if a request's queries cannot be served, as far as it can be told cheaply."""

    def normalised(self, change: Callable[[str], str]) -> Self:  # noqa: ARG002 - most have no texts
        """Return the same with its own texts normalised as the queries are."""
        return self

    def for_tensors(self) -> Self:
        """Return the same without what costs time and has no tensor."""
        return self


def unpacked(kind: type[Answer], content: bytes | None) -> Answer | None:
    """Return the answer that was packed; None where there is none, or what is there is not of its kind."""
    try:
        return kind.unpack(content) if content else None
    except ValueError:
        return None


@cache
def reading(form: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any type
    """Return what reads JSON as a type."""
    return TypeAdapter(form)


def encode(text: str, codec: Tokenizer, name: str = "text") -> Encoded:
    """Turn a text into token ids; ``name`` is the field it came in.

    Raises:
        TextEmpty: It has no token that a model could see.
    """
    encoded = codec.encode(text)
    if len(encoded.ids) <= _SPECIAL:
        raise TextEmpty(
            seen=f"a {name} of nothing but blanks", needed="at least one character", do="send text"
        )
    return encoded


def window_count(query: Query, codec: Tokenizer) -> int:
    """Return into how many windows the longer text of a query is cut; 1 is a text that fits."""
    return max(_windows(text, codec) for text in query.texts)


def _windows(text: str, codec: Tokenizer) -> int:
    # Most texts are far shorter than the model: they need not be encoded to know that.
    if len(text) * _TOKENS_A_CHARACTER + _SPECIAL <= codec.limit:
        return 1
    return len(windows(codec.encode(text).ids, codec.limit))


def short(number: float) -> float:
    """Keep what a float32 knows, six digits."""
    return float(f"{number:.6g}")


def normalised(query: Query, change: Callable[[str], str]) -> Query:
    """Return the same question about normalised texts."""
    return Query(change(query.text), None if query.pair is None else change(query.pair))
