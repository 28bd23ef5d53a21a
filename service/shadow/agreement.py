"""Whether two versions agree about one question: what is compared of their answers, and how. No I/O.

The lines are drawn where models that are both good stay inside. Of the shipped models, 1.1-reviews (1.0
trained further) and 1.0 name different best candidates for 43 % of the masks and are both right to: no flip
is a disagreement by itself. For 2.7 % of the masks neither's best is among the other's five; no vector of
theirs has a cosine below 0.76, no similarity differs by more than 0.10.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from service.cache.values import pack, unpack
from service.tasks.base import Answer, short

FEW: Final = 3
"""Of fewer candidates than this the other's best cannot be expected to be among them."""
SURE: Final = 0.5
"""A best candidate above this probability is meant."""
LEAST_COSINE: Final = 0.75
MOST_APART: Final = 0.2
"""By how much two similarities may differ."""
HALF: Final = 0.5
SHOWN: Final = 3

Candidates = list[tuple[str, float]]
"""Tokens with their probabilities, best first."""
Essence = list[Candidates] | np.ndarray[Any, np.dtype[np.float32]] | float
"""What is compared of an answer: candidates for each mask, a vector, or a similarity."""


@dataclass(frozen=True)
class Agreement:
    """How two answers compare. ``severity`` runs from 0, the same, to 1, nothing in common."""

    disagreed: bool
    flipped: bool
    severity: float
    sentence: str


FAILED: Final = Agreement(
    disagreed=True, flipped=True, severity=1.0, sentence="the canary failed where the stable answered"
)


def essence(answer: Answer) -> Essence | None:
    """Return what is compared of an answer; None if there is nothing in it to compare."""
    if isinstance(answer, int | float):
        return float(answer)
    if isinstance(answer, np.ndarray):
        return answer
    if isinstance(answer, list) and answer and isinstance(answer[0], int | float):
        return np.array(answer, dtype=np.float32)  # a vector that was kept as JSON
    masks: list[Any] = answer["masks"] if isinstance(answer, dict) else [answer]
    if not masks or not all(masks):
        return None
    return [[(each["token"], each["score"]) for each in mask] for mask in masks]


def written(content: Essence) -> bytes:
    """Return what is compared as bytes."""
    return pack(content)


def read(content: bytes) -> Essence | None:
    """Return what was written; None if it is nothing of ours."""
    answer = unpack(content)
    if isinstance(answer, list) and answer and isinstance(answer[0], list):
        return [[(token, score) for token, score in mask] for mask in answer]
    # Whoever else writes to Redis may have left a text there.
    return None if answer is None or isinstance(answer, dict | str) else essence(answer)


def compare(stable: Essence, canary: Essence) -> Agreement:
    """Compare two answers to the same question; which is which matters for the sentence only."""
    if isinstance(stable, list) and isinstance(canary, list) and len(stable) == len(canary):
        return _masks([_candidates(*pair) for pair in zip(stable, canary, strict=True)])
    if isinstance(stable, np.ndarray) and isinstance(canary, np.ndarray) and stable.shape == canary.shape:
        return _vectors(stable, canary)
    if isinstance(stable, float) and isinstance(canary, float):
        return _similarities(stable, canary)
    sentence = f"the stable answered {shown(stable)}, the canary {shown(canary)}: another form of answer"
    return Agreement(disagreed=True, flipped=True, severity=1.0, sentence=sentence)


def shown(answer: Essence) -> str:
    """Return an answer as people read it, shortened; no text of the request is in it."""
    if isinstance(answer, float):
        return f"{answer:.3f}"
    if isinstance(answer, np.ndarray):
        first = ", ".join(f"{number:.3f}" for number in answer[:SHOWN])
        return f"[{first}, ...] of {len(answer)} numbers, length {np.linalg.norm(answer):.2f}"
    return "; ".join(", ".join(f"{token} {score:.3f}" for token, score in mask[:SHOWN]) for mask in answer)


def _masks(each: Sequence[Agreement]) -> Agreement:
    """Return the agreement about a text with several masks: most of them decide."""
    worst = max(each, key=lambda one: (one.disagreed, one.severity))
    return Agreement(
        disagreed=sum(one.disagreed for one in each) * 2 > len(each),
        flipped=any(one.flipped for one in each),
        severity=sum(one.severity for one in each) / len(each),
        sentence=worst.sentence,
    )


def _candidates(stable: Candidates, canary: Candidates) -> Agreement:
    ours, theirs = dict(stable), dict(canary)
    (best, sure), (other, as_sure) = stable[0], canary[0]
    flipped = best != other
    if min(len(ours), len(theirs)) < FEW:
        disagreed = flipped and max(sure, as_sure) >= SURE
    else:
        disagreed = best not in theirs and other not in ours
    common = [token for token in ours if token in theirs]
    shared = sum(min(ours[token], theirs[token]) for token in common)
    told = max(sum(ours.values()), sum(theirs.values()))
    sentence = (
        f"best candidates {best} {sure:.2f} and {other} {as_sure:.2f}; "
        f"{len(common)} of {max(len(ours), len(theirs))} candidates in common"
    )
    return Agreement(disagreed, flipped, short(1 - shared / told) if told else 0.0, sentence)


def _vectors(stable: np.ndarray[Any, Any], canary: np.ndarray[Any, Any]) -> Agreement:
    length = float(np.linalg.norm(stable) * np.linalg.norm(canary))
    same = bool((stable == canary).all())
    cosine = min(max(float(stable @ canary) / length, -1.0), 1.0) if length else float(same)
    disagreed = not cosine >= LEAST_COSINE
    sentence = f"cosine {cosine:.3f}, at least {LEAST_COSINE:g} is agreement"
    return Agreement(disagreed, cosine < 0, short(min((1 - cosine) / 2, 1.0)), sentence)


def _similarities(stable: float, canary: float) -> Agreement:
    apart = abs(stable - canary)
    sentence = f"similarity {stable:.3f} and {canary:.3f}; up to {MOST_APART:g} apart is agreement"
    flipped = (stable < HALF) != (canary < HALF)
    return Agreement(not apart <= MOST_APART, flipped, short(min(apart, 1.0)), sentence)
