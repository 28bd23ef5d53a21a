"""The golden gate's arithmetic: both versions answer the same sentences, pair by pair; pure functions.

A version has a hit if one of a sentence's answers is among its three best candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from canary.judge.statistics import mcnemar

TOP: Final = 3
SIGNIFICANT: Final = 0.01
FLOOR: Final = 0.85

Hit = bool | None
"""Whether a version hit a sentence; None: it gave no answer."""


@dataclass(frozen=True)
class GoldenResult:
    """What asking both versions showed.

    ``asked`` sentences, of which ``covered`` were answered by both; ``stable_only`` and ``canary_only`` are
    the pairs that only one of them hit, ``both`` those that both hit.
    """

    asked: int
    covered: int
    both: int
    stable_only: int
    canary_only: int
    floor: float = FLOOR

    @property
    def p(self) -> float:
        """The chance of the canary's losing so many pairs or more if it is no worse: exact, one-sided."""
        return mcnemar(self.stable_only, self.canary_only)

    @property
    def coverage(self) -> float:
        """The share of the sentences that both versions answered."""
        return self.covered / self.asked if self.asked else 0.0

    @property
    def answered(self) -> bool:
        """Whether enough was answered to say anything."""
        return self.coverage >= self.floor

    @property
    def passed(self) -> bool:
        """Whether the canary may get traffic."""
        return self.answered and self.p > SIGNIFICANT

    def __str__(self) -> str:
        if not self.answered:
            return (
                f"golden set: only {self.covered} of {self.asked} sentences were answered by both versions, "
                f"at least {self.floor:.0%} are needed"
            )
        stable, canary = self.both + self.stable_only, self.both + self.canary_only
        return (
            f"golden set: canary {canary} of {self.covered} right, stable {stable}; {self.stable_only} lost, "
            f"{self.canary_only} won, p {self.p:.2g} ({SIGNIFICANT:g} or less is a loss beyond chance)"
        )

    @property
    def numbers(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {
            "asked": self.asked,
            "covered": self.covered,
            "both": self.both,
            "stable_only": self.stable_only,
            "canary_only": self.canary_only,
            "p": self.p,
            "passed": self.passed,
        }


def compare(stable: Sequence[Hit], canary: Sequence[Hit], floor: float = FLOOR) -> GoldenResult:
    """Pair the hits of both versions, sentence by sentence."""
    rows = list(zip(stable, canary, strict=True))
    pairs = [row for row in rows if None not in row]
    return GoldenResult(
        asked=len(rows),
        covered=len(pairs),
        both=pairs.count((True, True)),
        stable_only=pairs.count((True, False)),
        canary_only=pairs.count((False, True)),
        floor=floor,
    )
