"""What fill-mask answers: candidates, filled texts, and how much text a request asks for. No I/O."""

import math
from collections import abc
from dataclasses import dataclass, replace
from itertools import chain
from typing import Annotated, ClassVar, Final, Self

from pydantic import ConfigDict, Field

from service.errors import AnswerTooLarge
from service.tasks.agreement import Agreement, other_form
from service.tasks.base import Answer, reading, short
from service.tasks.tensors import Output, Tensor, floats, integers
from service.text.codec import CONTINUATION, Mask

MAX_CHARACTERS: Final = 1 << 22
"""Of all sequences of an answer together: about 12 MiB of Chinese as JSON, 50 MiB while it is made."""
FLOOR: Final = 0.1
"""A best candidate below this probability is a guess."""
FEW: Final = 3
"""Of fewer candidates than this the other's best cannot be expected to be among them."""
SURE: Final = 0.5
"""A best candidate above this probability is meant."""
_SHOWN: Final = 3
_EXACT: Final = ConfigDict(extra="forbid", strict=True)
Score = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Candidate:
    """One token for one mask."""

    __pydantic_config__: ClassVar = _EXACT

    token: str
    score: Annotated[Score, Field(description="The calibrated probability among the whole vocabulary.")]
    sequence: Annotated[str, Field(description="The text with this one mask filled.")]
    offset: Annotated[int, Field(description="Where the mask starts, in code points.")]


@dataclass(frozen=True)
class Sequence:
    """All masks of a text filled together."""

    __pydantic_config__: ClassVar = _EXACT

    sequence: str
    tokens: tuple[str, ...]
    score: Annotated[
        Score, Field(description="The product of the tokens' probabilities, from left to right.")
    ]


Candidates = tuple[Candidate, ...]
"""Of one mask, best first."""


@dataclass(frozen=True)
class Filled(Answer):
    """The answer to a text with several masks."""

    __pydantic_config__: ClassVar = _EXACT

    masks: Annotated[tuple[Candidates, ...], Field(description="For each mask on its own, best first.")]
    sequences: Annotated[
        tuple[Sequence, ...], Field(description="Found by beam search of width 5, best first.")
    ]

    tensors = (
        Tensor("tokens", "BYTES", (-1, -1)),
        Tensor("scores", "FP32", (-1, -1)),
        Tensor("masks", "INT64", (-1, 2)),
    )

    def document(self) -> object:
        """Return the candidates alone where there is one mask."""
        return self.masks[0] if len(self.masks) == 1 else self

    @classmethod
    def unpack(cls, content: bytes) -> Self:
        """Return what was packed."""
        read = reading(cls.form).validate_json(content)
        return read if isinstance(read, cls) else cls((read,), ())

    def may_fit(self, limit: int) -> bool:
        """Count characters, none of which takes less than a byte; what is past the limit is not counted."""
        spelled = chain(
            (each.sequence for mask in self.masks for each in mask),
            (each.sequence for each in self.sequences),
        )
        for text in spelled:
            limit -= len(text)
            if limit < 0:
                return False
        return True

    def bare(self) -> Self:
        """Leave the texts out, and what is not compared."""
        masks = tuple(tuple(replace(each, sequence="") for each in mask) for mask in self.masks)
        return replace(self, masks=masks, sequences=())

    @property
    def unsure(self) -> abc.Sequence[bool]:
        """Tell for each mask whether its best candidate is a guess."""
        return [mask[0].score < FLOOR for mask in self.masks if mask]

    @classmethod
    def outputs(cls, answers: abc.Sequence[Self]) -> abc.Sequence[Output]:
        """Return the masks of all texts one after the other, as rows of candidates.

        ``masks`` (masks, 2) holds the text's index and the offset in it.
        """
        masks = [(index, mask) for index, answer in enumerate(answers) for mask in answer.masks]
        tokens = [each.token for _, mask in masks for each in mask]
        return [
            Output("tokens", "BYTES", (len(masks), len(masks[0][1])), tokens),
            floats("scores", [[each.score for each in mask] for _, mask in masks]),
            integers("masks", [(index, mask[0].offset) for index, mask in masks]),
        ]

    def compared(self, canary: Self) -> Agreement:
        """Compare mask by mask; most of them decide."""
        if len(self.masks) != len(canary.masks) or not all((*self.masks, *canary.masks)):
            return other_form(self.shown(), canary.shown())
        each = [_candidates(*pair) for pair in zip(self.masks, canary.masks, strict=True)]
        worst = max(each, key=lambda one: (one.disagreed, one.severity))
        return Agreement(
            disagreed=sum(one.disagreed for one in each) * 2 > len(each),
            flipped=any(one.flipped for one in each),
            severity=sum(one.severity for one in each) / len(each),
            sentence=worst.sentence,
        )

    def shown(self) -> str:
        """Return the first candidates of each mask."""
        masks = (mask[:_SHOWN] for mask in self.masks)
        return "; ".join(", ".join(f"{each.token} {each.score:.3f}" for each in mask) for mask in masks)


Filled.form = Candidates | Filled  # with one mask its candidates alone


def candidate(text: str, mask: Mask, token: str, score: float, *, spelled: bool) -> Candidate:
    """Return one candidate of one mask; ``spelled`` is with the text that it makes."""
    filled = text[: mask.start] + token.removeprefix(CONTINUATION) + text[mask.end :] if spelled else ""
    return Candidate(token, short(score), filled, mask.start)


def whole(text: str, masks: abc.Sequence[Mask], tokens: abc.Sequence[str], score: float) -> Sequence:
    """Return a text with all masks filled; ``score`` is a logarithm."""
    parts, end = [], 0
    for mask, token in zip(masks, tokens, strict=True):
        parts += [text[end : mask.start], token.removeprefix(CONTINUATION)]
        end = mask.end
    return Sequence("".join([*parts, text[end:]]), tuple(tokens), short(math.exp(score)))


def characters(text: str, masks: int, candidates: int, together: int) -> int:
    """Return how many characters the sequences for a text have, about.

    Args:
        text: The text with its masks.
        masks: How many there are.
        candidates: How many each mask gets.
        together: How many sequences come with all masks filled, where there are several.
    """
    return len(text) * (masks * candidates + (together if masks > 1 else 0))


def require_room(asked: int) -> None:
    """Let an answer of ``asked`` characters pass.

    Raises:
        AnswerTooLarge: That is more than is answered at once.
    """
    if asked > MAX_CHARACTERS:
        raise AnswerTooLarge(
            seen=f"{asked:,} characters of sequences (masks x top_k x characters, over all texts)",
            needed=f"at most {MAX_CHARACTERS:,}",
            do="lower top_k, send fewer or shorter texts, or ask by /v2, which answers without sequences",
        )


def _candidates(stable: Candidates, canary: Candidates) -> Agreement:
    ours, theirs = ({each.token: each.score for each in side} for side in (stable, canary))
    best, other = stable[0], canary[0]
    flipped = best.token != other.token
    if min(len(ours), len(theirs)) < FEW:
        disagreed = flipped and max(best.score, other.score) >= SURE
    else:
        disagreed = best.token not in theirs and other.token not in ours
    common = [token for token in ours if token in theirs]
    shared = sum(min(ours[token], theirs[token]) for token in common)
    told = max(sum(ours.values()), sum(theirs.values()))
    sentence = (
        f"best candidates {best.token} {best.score:.2f} and {other.token} {other.score:.2f}; "
        f"{len(common)} of {max(len(ours), len(theirs))} candidates in common"
    )
    return Agreement(disagreed, flipped, short(1 - shared / told) if told else 0.0, sentence)
