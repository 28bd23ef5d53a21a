"""The numbers behind a verdict, as JSON values with stable names."""

from typing import Any

from canary.judge.balance import Balance
from canary.judge.claims import Claim, claims
from canary.judge.evidence import MetricEvidence, Sample
from canary.judge.ledger import Ledger
from canary.judge.policy import Metric, Profile
from canary.judge.stage import Stage


def numbers(ledger: Ledger, profile: Profile, stage: Stage, balance: Balance) -> dict[str, Any]:
    """Return evidence, thresholds and counts of every metric."""
    rows = zip(profile.metrics, ledger.metrics, strict=True)
    return {
        "evidence": balance.total,
        "breaker": balance.breaker,
        "weight": stage.weight,
        "ticks": ledger.ticks,
        "metrics": {m.name: _metric(m, known, profile, stage, balance) for m, known in rows},
    }


def _metric(
    metric: Metric, known: MetricEvidence, profile: Profile, stage: Stage, balance: Balance
) -> dict[str, Any]:
    return {
        "evidence": balance.harm[metric.name],
        "phi": known.phi(profile.phi_max),
        "incident": known.watch.incident,
        "step": _sample(known.step),
        "rollout": _sample(known.rollout),
        "safe": [] if stage.baking else [_claim(claim) for claim in claims(known, metric, profile, stage)],
    }


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "canary": {"requests": sample.canary.requests, "bad": sample.canary.bad},
        "stable": {"requests": sample.stable.requests, "bad": sample.stable.bad},
        "seconds": sample.seconds,
    }


def _claim(claim: Claim) -> dict[str, Any]:
    return {"margin": str(claim.margin), "evidence": claim.value, "enough": claim.enough}
