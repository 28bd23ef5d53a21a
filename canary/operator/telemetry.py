"""What the operator tells of itself: Prometheus metrics, and a span for each weight that moved."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from canary.controller.ports import Metrics
from canary.errors import MetricsDown
from canary.measure.counters import CounterSnapshot
from canary.rollout.state import State
from mesh.model import Split

SPAN: Final = "bertmesh.rollout.move"
LABELS: Final = ("namespace", "rollout")
VERDICTS: Final = ("advance", "hold", "roll_back", "fail")
SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Telemetry:
    """The metrics ``bertmesh_rollout_*`` of one operator."""

    def __init__(self, registry: CollectorRegistry | None = None, tracer: trace.Tracer | None = None) -> None:
        self.registry = registry or CollectorRegistry(auto_describe=True)
        self._tracer = tracer or trace.get_tracer("bertmesh.canary")
        self._gauges = {
            "weight": self._gauge("weight", "Per cent of the requests that the route sends to the canary."),
            "proved": self._gauge(
                "weight_proved", "The last weight that proxies answered with, or counts showed."
            ),
            "assumed": self._gauge(
                "weight_assumed", "1 while nobody confirms the weight that is taken to be live."
            ),
            "step": self._gauge("step", "The step, from 1; 0 before the first."),
            "active": self._gauge("active", "1 while a rollout is in progress."),
            "alert": self._gauge("alert", "1 while a person is asked to look."),
            "evidence": self._gauge("evidence", "Evidence of harm by metric; 100 is enough.", "metric"),
            "safe": self._gauge("evidence_safe", "Evidence for the canary by metric.", "metric"),
            "verdict": self._gauge("verdict", "1 at the last verdict, 0 at the others.", "verdict"),
        }
        self._counters = {
            "failed": self._counter("reconcile_errors", "Passes that ended with an error."),
            "query": self._counter("query_errors", "Questions that the metrics system did not answer."),
        }
        name = "bertmesh_rollout_reconcile_duration_seconds"
        about = "Time of one pass over one rollout."
        self._duration = Histogram(name, about, registry=self.registry, buckets=SECONDS)
        leads = "1 while this replica is the leader."
        self._leader = Gauge("bertmesh_rollout_leader", leads, registry=self.registry)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time a pass."""
        with self._duration.time():
            yield

    def leading(self, *, leads: bool) -> None:
        """Say whether this replica is the leader."""
        self._leader.set(leads)

    def show(self, namespace: str, name: str, state: State) -> None:
        """Show where a rollout stands."""
        place, rollout, latest = (namespace, name), state.rollout, state.latest
        weight = rollout.weight if rollout else 0
        self._gauges["weight"].labels(*place).set(weight)
        self._gauges["assumed"].labels(*place).set(state.assumed)
        if state.live_since is not None and not state.assumed:
            self._gauges["proved"].labels(*place).set(weight)
        self._gauges["step"].labels(*place).set(rollout.step + 1 if rollout else 0)
        self._gauges["active"].labels(*place).set(state.active is not None)
        self._gauges["alert"].labels(*place).set(latest is not None and latest.alert)
        for verdict in VERDICTS:
            said = latest is not None and latest.action.value == verdict
            self._gauges["verdict"].labels(*place, verdict).set(said)
        report = latest.report if latest else None
        for metric, seen in report.metrics.items() if report else ():
            self._gauges["evidence"].labels(*place, metric).set(seen.evidence)
            self._gauges["safe"].labels(*place, metric).set(seen.safest)

    def forget(self, namespace: str, name: str) -> None:
        """Show nothing any more of a rollout that is gone."""
        for gauge in self._gauges.values():
            for values in [key for key in gauge._metrics if key[:2] == (namespace, name)]:  # noqa: SLF001 - the
                gauge.remove(*values)  # library has no way to list the label values that there are

    def clear(self) -> None:
        """Show no rollout any more: another replica leads."""
        for gauge in self._gauges.values():
            gauge.clear()

    def failed(self, namespace: str, name: str) -> None:
        """Count a pass that ended with an error."""
        self._counters["failed"].labels(namespace, name).inc()

    def query_failed(self, namespace: str, name: str) -> None:
        """Count a question that the metrics system did not answer."""
        self._counters["query"].labels(namespace, name).inc()

    def moved(self, namespace: str, name: str, split: Split, why: str) -> None:
        """Leave a span for a weight that was written."""
        attributes: dict[str, str | int] = {
            "bertmesh.rollout": name,
            "k8s.namespace.name": namespace,
            "bertmesh.stable": split.stable,
            "bertmesh.canary": split.canary or "",
            "bertmesh.weight": split.weights.canary,
            "bertmesh.reason": why,
        }
        with self._tracer.start_as_current_span(SPAN, attributes=attributes):
            pass

    def _gauge(self, name: str, about: str, *labels: str) -> Gauge:
        return Gauge(f"bertmesh_rollout_{name}", about, (*LABELS, *labels), registry=self.registry)

    def _counter(self, name: str, about: str) -> Counter:
        return Counter(f"bertmesh_rollout_{name}", about, LABELS, registry=self.registry)


@dataclass(frozen=True)
class CountedMetrics:
    """The metrics port of one rollout, with its failures counted."""

    metrics: Metrics
    telemetry: Telemetry
    namespace: str
    name: str

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        """Return all counters of ``versions`` at one query time.

        Raises:
            MetricsDown: the metrics system did not answer.
        """
        with self._counted():
            return self.metrics.counts(versions, at, edge=edge)

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        """Return the counters of ``version`` in the past.

        Raises:
            MetricsDown: the metrics system did not answer.
        """
        with self._counted():
            return self.metrics.history(version, at, seconds=seconds, step=step)

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except MetricsDown:
            self.telemetry.query_failed(self.namespace, self.name)
            raise
