"""What the evidence says, metric by metric, ready to be shown; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from canary.judge import formatting
from canary.judge.policy import Metric
from canary.judge.report import MetricReport, Need
from canary.judge.rules import ROLL_BACK_AT, SUSPECT_AT
from canary.measure.counts import Counts
from canary.rollout.model import Phase, Rollout
from canary.views.runs import Run
from canary.views.scale import Gauge, harm, safe

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
        return formatting.percent(self.bad, self.requests) if self.requests else UNKNOWN


@dataclass(frozen=True)
class Needed:
    """What is still needed before the next step: a number or a word, and a sentence."""

    amount: str
    words: str


@dataclass(frozen=True)
class MetricView:
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
        return f"{ratio:.1f}x" if ratio < formatting.WHOLE_FROM else f"{ratio:.0f}x"


@dataclass(frozen=True)
class Evidence:
    """All findings. ``at`` is when they were made (Unix seconds), ``breaker`` what the breaker adds."""

    total: Gauge
    breaker: float
    findings: tuple[MetricView, ...]
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
        return formatting.evidence(self.breaker)


def evidence(run: Run) -> Evidence | None:
    """Return the evidence of a rollout, None before the first judgement."""
    entry = run.judged
    if entry is None or entry.report is None:
        return None
    report = entry.report
    goes_on = run.rollout is not None and not run.ended and run.rollout.stage.judged
    open_ones = {name: seen.needed for name, seen in report.metrics.items() if seen.needed and goes_on}
    rows = tuple(_finding(run, name, seen, open_ones.get(name)) for name, seen in report.metrics.items())
    total = harm(report.evidence, ROLL_BACK_AT, SUSPECT_AT, "all metrics together")
    needed = _needed(run, list(open_ones.values()))
    return Evidence(total, report.breaker, rows, needed, entry.at, report.ticks)


def _finding(run: Run, name: str, seen: MetricReport, need: Need | None) -> MetricView:
    metric = _metric(run, name)
    counts = seen.step if seen.step.canary.requests or seen.step.stable.requests else seen.rollout
    return MetricView(
        name=name,
        bad=metric.bad if metric else "",
        canary=_side(run.canary, counts.canary),
        stable=_side(run.stable, counts.stable),
        harm=harm(seen.evidence, ROLL_BACK_AT, SUSPECT_AT, "its part of the total"),
        safe=tuple(safe(each.evidence, each.enough, f"not worse than {each.margin}") for each in seen.safe),
        phi=seen.phi,
        incident=seen.incident,
        need=need.sentence if need else "",
    )


def _side(version: str, counts: Counts) -> Side:
    return Side(version, counts.requests, counts.bad)


def _metric(run: Run, name: str) -> Metric | None:
    metrics = run.rollout.profile.metrics if run.rollout else ()
    return next((metric for metric in metrics if metric.name == name), None)


def _needed(run: Run, needs: Sequence[Need]) -> Needed:
    """Return what the whole rollout still needs."""
    rollout = run.rollout
    if run.ended or rollout is None:
        return Needed("Nothing", "this rollout is over")
    if not rollout.stage.judged:
        return Needed(UNKNOWN, "the canary gets no traffic yet")
    if rollout.acting is Phase.BAKING:
        length = formatting.duration(rollout.profile.bake_s)
        return Needed("Time", f"it bakes for {length} with the old stable warm")
    return _slowest(needs) if needs else _proved(rollout)


def _proved(rollout: Rollout) -> Needed:
    if rollout.phase is Phase.PAUSED:
        return Needed("A person", "every metric is proved; somebody has to resume it")
    return Needed("Nothing", "every metric is proved; what is left is time")


def _slowest(known: Sequence[Need]) -> Needed:
    """Return what the metric needs that takes longest."""
    last = max(known, key=lambda need: math.inf if need.requests is None else need.requests)
    latest = (
        "" if last.left_s is None else f"; in {formatting.duration(last.left_s)} what is proved is enough"
    )
    if last.requests is None:
        return Needed("No end in sight", f"at these rates no number of requests is enough{latest}")
    takes = None if last.seconds is None else formatting.duration(last.seconds)
    when = f"{takes} at this rate" if takes else "none of the canary's are counted yet"
    return Needed(f"{formatting.count(last.requests)} request{'s' * (last.requests > 1)}", f"{when}{latest}")
