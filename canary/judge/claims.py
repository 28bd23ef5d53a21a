"""What has to be proved before the canary may move on, and how many more requests that will take."""

import math
from dataclasses import dataclass
from typing import Final

from canary.judge.evidence import MetricEvidence, Sample
from canary.judge.policy import Margin, Metric, Profile
from canary.judge.stage import Stage
from canary.judge.statistics import SAFE_GRID, mean
from canary.measure.counts import MAX_PERCENT

ADVANCE_AT: Final = 20.0
PROMOTE_AT: Final = 100.0


@dataclass(frozen=True)
class Claim:
    """That the canary is not worse than ``margin``: ln S by bet, and the evidence that is enough."""

    margin: Margin
    logs: tuple[float, ...]
    enough: float
    valid_from_s: float = 0.0

    @property
    def value(self) -> float:
        """E of SAFE."""
        return mean(self.logs, 1.0)

    @property
    def proved(self) -> bool:
        """Whether the evidence is enough."""
        return self.value >= self.enough


@dataclass(frozen=True)
class Forecast:
    """The requests still needed, and the seconds they take at the present rate (None: none come)."""

    requests: int
    seconds: float | None


def claims(known: MetricEvidence, metric: Metric, profile: Profile, stage: Stage) -> tuple[Claim, ...]:
    """Return the claims of which one must be proved: at last the tight one, or in time the stated one."""
    if stage.rehearsing:  # copies harm nobody: there is time to prove more than the first step needs
        return (
            Claim(metric.stated, known.safety.stated, ADVANCE_AT),
            Claim(stage.margin(metric), known.safety.step, ADVANCE_AT, profile.fallback_s),
        )
    if not stage.last:
        return (Claim(stage.margin(metric), known.safety.step, ADVANCE_AT),)
    return (
        Claim(metric.tight, known.safety.tight, PROMOTE_AT),
        Claim(metric.stated, known.safety.stated, PROMOTE_AT, profile.fallback_s),
    )


def must_be_proved(metric: Metric, known: MetricEvidence, stage: Stage) -> bool:
    """Tell whether a metric must be proved now.

    Some must be only once the stable is seen to count such events, some only while requests are copied.
    """
    if not stage.counts(metric):
        return False
    counted = known.dispersion.requests > 0 or known.rollout.stable.requests > 0
    return metric.required and (counted or not metric.if_counted)


def granted(known: tuple[Claim, ...], elapsed_s: float) -> Claim | None:
    """Return the first claim that is proved and that counts by now."""
    return next((claim for claim in known if claim.proved and elapsed_s >= claim.valid_from_s), None)


def forecast(claim: Claim, known: MetricEvidence, stage: Stage, phi_max: float) -> Forecast | None:
    """Foresee the proof of a claim if the canary is just as good as the stable is in this step.

    Where there is no stable to compare with: if it goes on as it was in this step.

    Returns None if the proof never comes at these rates.
    """
    logs = claim.logs or (0.0,) * len(SAFE_GRID)
    target = math.log(claim.enough * len(SAFE_GRID))  # if one bet alone does it
    phi = known.phi(phi_max)
    gains = _gains(known.step, stage, claim.margin)
    needs = [phi * (target - log) / gain for log, gain in zip(logs, gains, strict=True) if gain > 0]
    if not needs:
        return None
    requests = max(1, math.ceil(min(needs)))
    speed = known.step.canary.requests / known.step.seconds if known.step.seconds else 0.0
    return Forecast(requests, requests / speed if speed else None)


def _gains(sample: Sample, stage: Stage, margin: Margin) -> list[float]:
    """Return what each canary request adds to ln S, by bet."""
    if not margin.ratio:
        own = sample.canary.bad / sample.canary.requests if sample.canary.requests else 0.0
        return [own * math.log1p(-bet) + bet * margin.added for bet in SAFE_GRID]
    rate = sample.stable.bad / sample.stable.requests if sample.stable.requests else 0.0
    odds = _odds(sample, stage)
    return [
        rate * math.log1p(-bet) + rate / odds * math.log1p(bet * margin.ratio * odds) + bet * margin.added
        for bet in SAFE_GRID
    ]


def _odds(sample: Sample, stage: Stage) -> float:
    """Return the canary requests for each stable request."""
    if sample.canary.requests and sample.stable.requests:
        return sample.canary.requests / sample.stable.requests
    return stage.weight / max(1, MAX_PERCENT - stage.weight)
