"""From the metrics port to evidence: the stable's history, and one tick after the other."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from canary.controller.ports import Metrics
from canary.judge.ledger import Ledger
from canary.judge.presence import is_fresh
from canary.judge.stage import Stage
from canary.measure.counters import CounterSnapshot, Cursor, Kind, growth, measure, origin
from canary.measure.counts import Tick
from canary.measure.latency import choose_edge
from canary.rollout.model import Rollout


@dataclass(frozen=True)
class Measured:
    """The evidence and how far it goes; ``edge`` is the latency edge as far as one could be chosen."""

    ledger: Ledger
    cursor: Cursor
    edge: str | None


def read_history(metrics: Metrics, rollout: Rollout, now: float) -> Measured:
    """Return what the stable's past teaches, and a cursor for both versions at ``now``.

    Raises:
        canary.errors.MetricsDown: the metrics system did not answer.
    """
    profile = rollout.profile
    past = metrics.history(rollout.stable, now, seconds=profile.history_s, step=profile.tick_s)
    edge = _edge_of(past, rollout.stable)
    ledger = Ledger.empty(profile)
    for before, after in pairwise(past):
        tick = measure(Cursor.at_snapshot(before), after, rollout.stable, None, edge)
        ledger = ledger.observe(tick, profile, Stage())
    start = metrics.counts((rollout.stable, rollout.canary), now, edge=edge)
    return Measured(ledger, Cursor.at_snapshot(start), edge)


def read_tick(metrics: Metrics, rollout: Rollout, stage: Stage, reading: Measured, now: float) -> Measured:
    """Return the evidence with what happened since the last tick.

    The cursor stays where it is until every version that carries traffic has a new sample: the counts then
    come in one piece.

    Raises:
        canary.errors.MetricsDown: the metrics system did not answer.
    """
    snapshot = metrics.counts((rollout.stable, rollout.canary), now, edge=reading.edge)
    tick = measure(reading.cursor, snapshot, rollout.stable, rollout.canary, reading.edge)
    ledger = reading.ledger.observe(tick, rollout.profile, stage)
    if not is_fresh(tick, stage.weight):
        return replace(reading, ledger=ledger)
    edge = reading.edge or _edge_of([origin(snapshot), snapshot], rollout.stable)
    return Measured(ledger, reading.cursor.moved(snapshot, _answering(tick)), edge)


def _edge_of(past: Sequence[CounterSnapshot], stable: str) -> str | None:
    """Choose the latency edge by how the stable's buckets grew from the first to the last snapshot."""
    if not past:
        return None
    within: dict[str, int] = defaultdict(int)
    for (version, _), kinds in growth(Cursor.at_snapshot(past[0]), past[-1]).items():
        for (kind, le), delta in kinds.items():
            if kind is Kind.WITHIN and version == stable:
                within[le] += delta
    return choose_edge(within)


def _answering(tick: Tick) -> list[str]:
    return [pod.pod for pod in tick.canary if pod.pod and any(c.requests for c in pod.metrics.values())]
