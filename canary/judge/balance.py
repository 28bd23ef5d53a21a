"""The total evidence of harm: a weighted mean of e-values, which is an e-value whatever their dependence.

What metrics have a part in it that nobody counts: see `canary.judge.stakes`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from canary.judge.evidence import HarmCase, MetricEvidence
from canary.judge.ledger import Ledger
from canary.judge.policy import Metric, Profile

BREAKER_SHARE: Final = 0.1
HARM_SHARE: Final = 0.9


@dataclass(frozen=True)
class Balance:
    """Evidence of harm, and what each part adds to it: the breaker, and HARM of each metric by name."""

    breaker: float
    harm: dict[str, float]

    @property
    def total(self) -> float:
        """EV: 100 is enough to roll back."""
        return self.breaker + sum(self.harm.values())

    @property
    def heaviest(self) -> str:
        """The metric that adds most."""
        return max(self.harm, key=self.harm.__getitem__)


def fair_balance(ledger: Ledger, profile: Profile) -> Balance:
    """Return the balance in which no single pod may convict the version."""
    return _balance(ledger, profile, lambda known: known.fair)


def whole_balance(ledger: Ledger, profile: Profile) -> Balance:
    """Return the balance of the canary as a whole."""
    return _balance(ledger, profile, lambda known: (known.whole,))


def lone_pod(known: MetricEvidence) -> str:
    """Return the pod without which the case is weakest."""
    return min(known.fair, key=lambda case: (case.breaker_value, case.harm_value)).pod


def _balance(
    ledger: Ledger, profile: Profile, cases: Callable[[MetricEvidence], tuple[HarmCase, ...]]
) -> Balance:
    rows = list(zip(ledger.metrics, profile.metrics, strict=True))
    shares = sum(metric.weight for metric in profile.metrics)
    harm = {
        metric.name: HARM_SHARE * metric.weight / shares * min(case.harm_value for case in cases(known))
        for known, metric in rows
    }
    return Balance(BREAKER_SHARE * _mean_breaker(rows, cases), harm)


def _mean_breaker(
    rows: Iterable[tuple[MetricEvidence, Metric]], cases: Callable[[MetricEvidence], tuple[HarmCase, ...]]
) -> float:
    values = [min(case.breaker_value for case in cases(known)) for known, metric in rows if metric.breaker]
    return sum(values) / len(values) if values else 0.0
