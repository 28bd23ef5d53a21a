"""What fill-mask answers: candidates, filled texts, and how much text a request asks for. No I/O."""

import math
from collections.abc import Sequence
from typing import Any

from service.errors import AnswerTooLarge
from service.tasks.base import short
from service.text.codec import CONTINUATION, Mask

MAX_CHARACTERS = 1 << 22
"""Of all sequences of an answer together: about 12 MiB of Chinese as JSON, 50 MiB while it is made."""


def candidate(text: str, mask: Mask, token: str, score: float, *, spelled: bool) -> dict[str, Any]:
    """Return one candidate of one mask, as it is answered; ``spelled`` is with the text it makes."""
    if not spelled:
        return {"token": token, "score": short(score), "offset": mask.start}
    filled = text[: mask.start] + token.removeprefix(CONTINUATION) + text[mask.end :]
    return {"token": token, "score": short(score), "sequence": filled, "offset": mask.start}


def whole(text: str, masks: Sequence[Mask], tokens: Sequence[str], score: float) -> dict[str, Any]:
    """Return a text with all masks filled, as it is answered; ``score`` is a logarithm."""
    parts, end = [], 0
    for mask, token in zip(masks, tokens, strict=True):
        parts += [text[end : mask.start], token.removeprefix(CONTINUATION)]
        end = mask.end
    filled = "".join([*parts, text[end:]])
    return {"sequence": filled, "tokens": list(tokens), "score": short(math.exp(score))}


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
