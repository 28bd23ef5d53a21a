"""What the judge says: its claims, needs and reasons in one sentence each."""

from canary.judge.claims import Claim, Forecast
from canary.judge.evidence import MetricEvidence, Sample
from canary.judge.formatting import WHOLE_FROM, count, duration, evidence, percent
from canary.judge.policy import Metric
from canary.judge.presence import Presence, Uncounted
from canary.judge.stage import Stage
from canary.measure.counts import MAX_PERCENT


def bake(stage: Stage) -> str:
    """Write what the bake compares the canary with."""
    if stage.alone:
        return (
            "baking at 100 %: judged against the stable's former rate, for no traffic is left to compare "
            "with; the old stable is kept warm"
        )
    return (
        f"baking at {stage.weight} %: the other {MAX_PERCENT - stage.weight} % stay with the stable, "
        "to compare with"
    )


def times(sample: Sample) -> str:
    """Write how much worse the canary is, if that can be said: " (x8)"."""
    stable, canary = sample.stable, sample.canary
    if not stable.bad or not canary.requests:
        return ""
    ratio = (canary.bad / canary.requests) / (stable.bad / stable.requests)
    return f" (x{ratio:.2g})" if ratio < WHOLE_FROM else f" (x{ratio:.0f})"


def comparison(metric: Metric, sample: Sample, former_rate: float) -> str:
    """Write "errors: canary 0.81 % vs stable 0.10 % (x8)".

    Without stable requests beside it, the canary is compared with the stable's ``former_rate``.
    """
    canary = f"{metric.name}: canary {percent(sample.canary.bad, sample.canary.requests)}"
    if metric.mirrored:
        return f"{canary} {metric.bad}, up to {metric.tolerated} is tolerated"
    if not sample.stable.requests:
        return f"{canary} vs {100 * former_rate:.2f} % of the stable before"
    return f"{canary} vs stable {percent(sample.stable.bad, sample.stable.requests)}{times(sample)}"


def conviction(metric: Metric, known: MetricEvidence, total: float) -> str:
    """Write why the canary goes back."""
    sample = known.step if known.step.canary.bad else known.rollout
    return (
        f"{comparison(metric, sample, known.dispersion.stable_rate)}; evidence {evidence(total)}, "
        f"100 is enough to roll back; {count(sample.canary.requests)} {_short(metric)}"
    )


def need(metric: Metric, claim: Claim, foreseen: Forecast | None) -> str:
    """Write how far a proof is away."""
    what = events(metric)
    if foreseen is None:
        return f"{metric.name}: at these rates no number of {what} proves it not worse than {claim.margin}"
    when = f"no {what} come" if foreseen.seconds is None else f"{duration(foreseen.seconds)} at this rate"
    return (
        f"{metric.name}: needs about {count(foreseen.requests)} more {what} ({when}) "
        f"to prove it is not worse than {claim.margin}"
    )


def events(metric: Metric) -> str:
    """Write what a metric's events are, of which some are bad."""
    return "compared copies" if metric.mirrored else "canary requests"


def rehearsal(stage: Stage) -> str:
    """Write what the canary gets before its first weight."""
    return f"copies of {stage.mirror} % of the stable's requests go to the canary"


def proof(metric: Metric, claim: Claim, known: MetricEvidence) -> str:
    """Write what has been proved."""
    seen = comparison(metric, known.step, known.dispersion.stable_rate)
    return (
        f"{seen}, proved not worse than {claim.margin} "
        f"(evidence {evidence(claim.value)}, {claim.enough:g} is enough; "
        f"{count(known.step.canary.requests)} {_short(metric)})"
    )


def _short(metric: Metric) -> str:
    return events(metric) if metric.mirrored else "requests"


def silence(presence: Presence) -> str:
    """Write why silence convicts."""
    expected = count(presence.expected + presence.pending)
    return (
        f"the canary answered nothing for {duration(presence.silent_for)} while the stable's traffic lets "
        f"{expected} requests be expected of it"
    )


def blindness(seconds: float) -> str:
    """Write that nothing is known."""
    return f"no new sample of both versions for {duration(seconds)}: that is neither success nor failure"


def uncounted(version: str, side: Uncounted, seconds: float) -> str:
    """Write that a version's answers are counted nowhere, although it gets requests."""
    return (
        f"the gateway sent {count(side.requests)} requests to the {version} in {duration(seconds)}, and no "
        "answer of its pods was counted: nothing is judged by that. Is there a sidecar or a waypoint in "
        "front of these pods, and does Prometheus scrape it?"
    )


def incident(metric: Metric, known: MetricEvidence, window_s: float) -> str:
    """Write why nothing is blamed on the canary now."""
    latest = known.watch.latest()
    usual = 100 * (known.watch.reference or 0.0)
    return (
        f"{metric.name}: the stable itself has {percent(latest.bad, latest.requests)} in the last "
        f"{duration(window_s)} where {usual:.2f} % is usual: nothing is blamed on the canary"
    )
