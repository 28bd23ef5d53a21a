"""What the evidence says, metric by metric, ready to be shown; pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from canary import words
from canary.console.runs import Run
from canary.console.scale import Gauge, harm, safe
from canary.evidence import MetricEvidence
from canary.forecast import Forecast, claims, forecast, granted
from canary.judge import ROLL_BACK_AT, SUSPECT_AT
from canary.model import Phase, Rollout
from canary.policy import Metric
from canary.state import State

UNKNOWN: Final = "-"


@dataclass(frozen=True)
class Side:
    """What was counted of one version."""

    version: str
    requests: int
    bad: int

    @property
    def share(self) -> str:
        """The share of bad requests in words."""
        return words.percent(self.bad, self.requests) if self.requests else UNKNOWN


@dataclass(frozen=True)
class Finding:
    """One metric: what it counts, both versions in this step, the evidence, and what is still needed."""

    name: str
    bad: str
    canary: Side
    stable: Side
    harm: Gauge
    safe: tuple[Gauge, ...]
    phi: float
    incident: bool
    need: str = ""

    @property
    def counted(self) -> bool:
        """Whether there is anything to tell of it."""
        return bool(self.canary.requests or self.stable.requests)

    @property
    def times(self) -> str:
        """How many times the stable's share the canary's is; "" if that cannot be said."""
        if not self.stable.bad or not self.canary.bad:
            return ""
        ratio = (self.canary.bad / self.canary.requests) / (self.stable.bad / self.stable.requests)
        return f"{ratio:.1f}x" if ratio < words.WHOLE_FROM else f"{ratio:.0f}x"


@dataclass(frozen=True)
class Needed:
    """What is still needed before the next step: a number or a word, and a sentence."""

    amount: str
    words: str


@dataclass(frozen=True)
class Evidence:
    """All findings. ``at`` is when they were made (Unix seconds), ``breaker`` what the breaker adds."""

    total: Gauge
    breaker: float
    findings: tuple[Finding, ...]
    needed: Needed
    at: float
    ticks: int

    @property
    def uncounted(self) -> str:
        """The metrics of which there is nothing to tell, in words."""
        return ", ".join(
            f"{it.name} ({it.bad})" if it.bad else it.name for it in self.findings if not it.counted
        )

    @property
    def breaker_text(self) -> str:
        """What the breaker adds, as people read it."""
        return words.evidence(self.breaker)


def evidence(run: Run, state: State) -> Evidence | None:
    """Return the evidence of a rollout, None before the first judgement."""
    entry = run.judged
    if entry is None:
        return None
    numbers = entry.numbers
    needs = dict(_needs(run, state))
    rows = tuple(_finding(run, name, row, needs.get(name)) for name, row in numbers["metrics"].items())
    total = harm(numbers["evidence"], ROLL_BACK_AT, SUSPECT_AT, "all metrics together")
    needed = _needed(run, needs)
    return Evidence(total, numbers["breaker"], rows, needed, entry.at, numbers["ticks"])


def _finding(
    run: Run, name: str, row: Mapping[str, Any], need: tuple[Forecast | None, str] | None
) -> Finding:
    metric = _metric(run, name)
    step = (
        row["step"] if any(row["step"][side]["requests"] for side in ("canary", "stable")) else row["rollout"]
    )
    return Finding(
        name=name,
        bad=metric.bad if metric else "",
        canary=Side(run.canary, **step["canary"]),
        stable=Side(run.stable, **step["stable"]),
        harm=harm(row["evidence"], ROLL_BACK_AT, SUSPECT_AT, "its part of the total"),
        safe=tuple(_safe(claim) for claim in row["safe"]),
        phi=row["phi"],
        incident=row["incident"],
        need=need[1] if need else "",
    )


def _safe(claim: Mapping[str, Any]) -> Gauge:
    return safe(claim["evidence"], claim["enough"], f"not worse than {claim['margin']}")


def _metric(run: Run, name: str) -> Metric | None:
    metrics = run.rollout.profile.metrics if run.rollout else ()
    return next((metric for metric in metrics if metric.name == name), None)


def _needs(run: Run, state: State) -> Iterator[tuple[str, tuple[Forecast | None, str]]]:
    """Yield what each metric still needs that is not proved yet."""
    rollout, ledger = run.rollout, state.ledger
    if rollout is None or rollout.ended or not rollout.weighted or ledger is None or state.stage.baking:
        return
    profile = rollout.profile
    for metric, known in zip(profile.metrics, ledger.metrics, strict=True):
        wanted = claims(known, metric, profile, state.stage)
        if not metric.required or _never_counted(metric, known) or granted(wanted, _elapsed(state)):
            continue
        foreseen = [(claim, forecast(claim, known, state.stage, profile.phi_max)) for claim in wanted]
        claim, soonest = min(foreseen, key=lambda pair: pair[1].requests if pair[1] else float("inf"))
        yield metric.name, (soonest, words.need(metric, claim, soonest))


def _never_counted(metric: Metric, known: MetricEvidence) -> bool:
    """Tell whether a metric need not be proved, because nobody has been seen to count such events."""
    return metric.if_counted and not (known.dispersion.requests or known.rollout.stable.requests)


def _elapsed(state: State) -> float:
    """Return for how long the present weight has been judged (seconds)."""
    return 0.0 if state.live_since is None or state.ticked_at is None else state.ticked_at - state.live_since


def _needed(run: Run, needs: Mapping[str, tuple[Forecast | None, str]]) -> Needed:
    rollout = run.rollout
    if run.ended or rollout is None:
        return Needed("Nothing", "this rollout is over")
    if not rollout.weighted:
        return Needed(UNKNOWN, "the canary gets no traffic yet")
    if rollout.acting is Phase.BAKING:
        length = words.duration(rollout.profile.bake_s)
        return Needed("Time", f"it bakes for {length} with the old stable warm")
    return _slowest([foreseen for foreseen, _ in needs.values()]) if needs else _proved(rollout)


def _proved(rollout: Rollout) -> Needed:
    if rollout.phase is Phase.PAUSED:
        return Needed("A person", "every metric is proved; somebody has to resume it")
    return Needed("Nothing", "every metric is proved; what is left is time")


def _slowest(foreseen: Sequence[Forecast | None]) -> Needed:
    """Return what the metric needs that takes longest."""
    known = [each for each in foreseen if each is not None]
    if len(known) < len(foreseen):
        return Needed("No end in sight", "at these rates no number of requests is enough")
    most = max(known, key=lambda each: each.requests)
    if most.seconds is None:
        return Needed(f"{words.count(most.requests)} requests", "no canary requests come")
    return Needed(f"{words.count(most.requests)} requests", f"{words.duration(most.seconds)} at this rate")
