"""What the evidence says, metric by metric, ready to be shown; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from canary.judge import formatting
from canary.judge.policy import Metric
from canary.judge.rules import ROLL_BACK_AT, SUSPECT_AT
from canary.rollout.state import State
from canary.views.needs import UNKNOWN, Need, Needed, needed, needs
from canary.views.runs import Run
from canary.views.scale import Gauge, harm, safe


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
        return f"{ratio:.1f}x" if ratio < formatting.WHOLE_FROM else f"{ratio:.0f}x"


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
        return formatting.evidence(self.breaker)


def evidence(run: Run, state: State) -> Evidence | None:
    """Return the evidence of a rollout, None before the first judgement."""
    entry = run.judged
    if entry is None:
        return None
    numbers = entry.numbers
    open_ones = dict(needs(run, state))
    rows = tuple(_finding(run, name, row, open_ones.get(name)) for name, row in numbers["metrics"].items())
    total = harm(numbers["evidence"], ROLL_BACK_AT, SUSPECT_AT, "all metrics together")
    return Evidence(total, numbers["breaker"], rows, needed(run, open_ones), entry.at, numbers["ticks"])


def _finding(run: Run, name: str, row: Mapping[str, Any], need: Need | None) -> Finding:
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
        need=need.sentence if need else "",
    )


def _safe(claim: Mapping[str, Any]) -> Gauge:
    return safe(claim["evidence"], claim["enough"], f"not worse than {claim['margin']}")


def _metric(run: Run, name: str) -> Metric | None:
    metrics = run.rollout.profile.metrics if run.rollout else ()
    return next((metric for metric in metrics if metric.name == name), None)
