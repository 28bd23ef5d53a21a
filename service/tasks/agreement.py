"""Whether two versions agree about one question. No I/O.

The lines that tasks draw are where models that are both good stay inside. Of the shipped models, 1.1-reviews
(1.0 trained further) and 1.0 name different best candidates for 43 % of the masks and are both right to: no
flip is a disagreement by itself. For 2.7 % of the masks neither's best is among the other's five; no vector
of theirs has a cosine below 0.76, no similarity differs by more than 0.10.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Agreement:
    """How two answers compare. ``severity`` runs from 0, the same, to 1, nothing in common."""

    disagreed: bool
    flipped: bool
    severity: float
    sentence: str


def failure(sentence: str) -> Agreement:
    """Return the worst: there is nothing to compare."""
    return Agreement(disagreed=True, flipped=True, severity=1.0, sentence=sentence)


def other_form(stable: str, canary: str) -> Agreement:
    """Return what is said of two answers, as people read them, that have nothing to compare by."""
    return failure(f"the stable answered {stable}, the canary {canary}: another form of answer")
