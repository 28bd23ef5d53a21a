"""Fill-mask: the likeliest tokens for each mask alone, and for several masks together. No I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Final, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field

from service.errors import InvalidTarget, NoMask, TextError, TooManyMasks
from service.tasks.base import Query, Reader, Steps, Task, encode
from service.tasks.beam import BEAM, Ranking, fill_together, item
from service.tasks.endpoint import Endpoint
from service.tasks.filled import Filled, candidate, characters, require_room, whole
from service.tasks.request import Request
from service.text.tokenizer import Tokenizer
from service.text.windows import home, windows

MAX_MASKS: Final = 16
MAX_CANDIDATES: Final = 100
DEFAULT_CANDIDATES: Final = 5
MAX_TARGET_CHARACTERS: Final = 64


@dataclass(frozen=True)
class FillMask(Task):
    """The likeliest tokens for each [MASK], and for several masks the likeliest sequences.

    A score is the calibrated probability among the whole vocabulary; special tokens are left out of the
    ranking but keep their share. With several masks the best fillings of all masks together are answered
    too: the masks are filled from left to right, the model reads each partial filling again, the best
    ``BEAM`` are kept, and a score is the product of the tokens' probabilities.

    ``targets`` restricts both to given tokens. A mask in a long text is filled in the window that shows
    most text around it.
    """

    top_k: int = 5
    targets: tuple[str, ...] | None = None
    sequences: bool = True
    """Whether texts are answered too: each candidate's, and those with all masks filled together."""

    name: ClassVar[str] = "fill-mask"
    answer = Filled

    def check(self, queries: Sequence[Query], codec: Tokenizer) -> None:
        """Count the masks and what there would be to answer, and look the targets up."""
        allowed = self._allowed(codec)
        candidates = self.top_k if allowed is None else min(self.top_k, len(allowed))
        asked = 0
        for index, query in enumerate(queries):
            masks = query.text.count(codec.mask_token)
            if not 1 <= masks <= MAX_MASKS:
                raise _miscounted(masks, codec.mask_token).at(index, len(queries))
            asked += characters(query.text, masks, candidates, min(self.top_k, BEAM))
        if self.sequences:
            require_room(asked)

    def normalised(self, change: Callable[[str], str]) -> Self:
        """Return the same with the targets normalised as the texts are."""
        return self if self.targets is None else replace(self, targets=tuple(map(change, self.targets)))

    def for_tensors(self) -> Self:
        """Leave out the sequences, which have no tensor: they cost the engine further rounds."""
        return replace(self, sequences=False)

    def steps(self, query: Query, reader: Reader) -> Steps:
        """Ask for the scores at the masks, then again for each partial filling."""
        text = encode(query.text, reader.codec)
        views = windows(text.ids, reader.codec.limit)
        ranking = Ranking(reader, self._allowed(reader.codec))
        homes = [home(views, mask.position) for mask in text.masks]
        shown = {
            index: [mask for mask, at in zip(text.masks, homes, strict=True) if at == index]
            for index in homes
        }
        # A mask's home is never left of the home of a mask before it: the rows come in the masks' order.
        rows = np.concatenate((yield [item(views[index], masks) for index, masks in shown.items()]))
        masks = [
            tuple(
                candidate(query.text, mask, token, score, spelled=self.sequences)
                for token, score in ranking.named(row, self.top_k)
            )
            for mask, row in zip(text.masks, rows, strict=True)
        ]
        if len(masks) == 1 or not self.sequences:
            return Filled(tuple(masks), ())
        beam = yield from fill_together(ranking, text.masks, [views[index] for index in homes], first=rows[0])
        sequences = [
            whole(query.text, text.masks, ranking.names(guess.tokens), guess.score)
            for guess in beam[: self.top_k]
        ]
        return Filled(tuple(masks), tuple(sequences))

    def _allowed(self, codec: Tokenizer) -> tuple[int, ...] | None:
        """Return the targets' ids, each once."""
        if self.targets is None:
            return None
        return tuple(dict.fromkeys(_target(target, codec) for target in self.targets))


def _miscounted(masks: int, token: str) -> TextError:
    if not masks:
        return NoMask(
            seen="a text without a mask",
            needed=f"at least one {token}",
            do=f"put it where a token is to be found, as in 中国的首都是{token}。",
        )
    return TooManyMasks(seen=f"a text with {masks} masks", needed=f"at most {MAX_MASKS}", do="split the text")


def _target(target: str, codec: Tokenizer) -> int:
    ids = codec.ids_of(target)
    if len(ids) != 1 or codec.token(ids[0]) is None:
        raise InvalidTarget(
            seen=f"the target {target!r}, which is {_counted(len(ids))}",
            needed="one token of this model's vocabulary",
            do="send single characters, or send as many masks as the word has characters",
        )
    return ids[0]


def _counted(tokens: int) -> str:
    return "no token that can be said" if tokens <= 1 else f"{tokens} tokens"


def _is_choice(targets: object) -> object:
    if isinstance(targets, list) and not 1 <= len(targets) <= MAX_CANDIDATES:
        message = f"has {len(targets)} targets; 1 to {MAX_CANDIDATES} needed: leave it out, or send fewer"
        raise ValueError(message)
    return targets


def _is_short(target: str) -> str:
    if not 1 <= len(target) <= MAX_TARGET_CHARACTERS:
        message = f"has {len(target):,} characters; 1 to {MAX_TARGET_CHARACTERS} needed: send one token"
        raise ValueError(message)
    return target


Target = Annotated[
    str,
    AfterValidator(_is_short),
    Field(json_schema_extra={"minLength": 1, "maxLength": MAX_TARGET_CHARACTERS}),
]


class FillMaskRequest(Request):
    """Texts with at least one [MASK] each."""

    inputs = ("text", "targets")

    top_k: Annotated[int, Field(ge=1, le=MAX_CANDIDATES)] | None = Field(
        None, description="How many candidates a mask gets; 5 by default, or one for each target."
    )
    targets: (
        Annotated[
            list[Target],
            BeforeValidator(_is_choice),
            Field(json_schema_extra={"minItems": 1, "maxItems": MAX_CANDIDATES}),
        ]
        | None
    ) = Field(None, description="Give the scores of these tokens only.", examples=[["好", "坏"]])

    @property
    def task(self) -> FillMask:
        """Fill the masks."""
        if self.targets is None:
            return FillMask(self.top_k or DEFAULT_CANDIDATES)
        return FillMask(self.top_k or len(self.targets), tuple(self.targets))


ENDPOINT = Endpoint(
    FillMask,
    FillMaskRequest,
    summary="Fill the masks of texts",
    example={"text": "中国的首都是[MASK]。", "top_k": 5},
)
