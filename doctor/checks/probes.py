"""Probes, and the time that a pod gets to end."""

from collections.abc import Iterator, Mapping
from typing import Any

from doctor.check import check
from doctor.checks.keepalive import grace
from doctor.dig import mapping, text, whole, words
from doctor.model import Inventory, Severity, Sighting
from doctor.pods import Workload
from doctor.traffic import routed_workloads

DEFAULT_GRACE_S = 30


def _serving(workload: Workload) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the containers that listen; the only one does, whether it says so or not."""
    found = workload.containers
    yield from [each for each in found if each[1].get("ports")] or found[:1]


@check("BM302", Severity.ERROR)
def no_readiness_probe(inventory: Inventory) -> Iterator[Sighting]:
    """Pods behind a route have no readiness probe.

    They get requests as soon as the process runs, before the model is loaded and warm, and keep getting
    them while they drain: 503s at every start, step and scale-down.

    Add a readinessProbe on an endpoint that answers 200 only while requests are welcome.
    """
    for workload in routed_workloads(inventory):
        for field, container in _serving(workload):
            if not mapping(container, "readinessProbe"):
                yield Sighting(
                    workload.object,
                    f"{field}.readinessProbe",
                    f"container {text(container, 'name')} has none",
                    "readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 2}",
                )


@check("BM303", Severity.WARNING)
def readiness_is_liveness(inventory: Inventory) -> Iterator[Sighting]:
    """The readiness and the liveness probe ask the same endpoint.

    Either a pod that is alive gets requests before its model is warm, or one that drains or waits for its
    model is killed for not being ready.

    Give each its own endpoint: /readyz for readiness, /livez for liveness.
    """
    for workload in routed_workloads(inventory):
        for field, container in _serving(workload):
            ready, live = _asked(container, "readinessProbe"), _asked(container, "livenessProbe")
            if ready and ready == live:
                yield Sighting(
                    workload.object,
                    f"{field}.readinessProbe.httpGet.path",
                    f"{ready[0]} on port {ready[1] or '?'}, as the livenessProbe",
                    "readinessProbe.httpGet.path: /readyz and livenessProbe.httpGet.path: /livez",
                )


def _asked(container: Mapping[str, Any], probe: str) -> tuple[str, str] | None:
    asked = mapping(container, probe, "httpGet")
    return (text(asked, "path") or "/", text(asked, "port")) if asked else None


@check("BM304", Severity.WARNING)
def killed_while_draining(inventory: Inventory) -> Iterator[Sighting]:
    """A pod is killed before it may finish what it has begun.

    terminationGracePeriodSeconds covers the preStop hook, the drain and the server's graceful timeout
    together; what is still running at its end is lost as a reset, in each scale-down and each rollout.

    Raise terminationGracePeriodSeconds above the sum.
    """
    for workload in routed_workloads(inventory):
        said = whole(workload.spec, "terminationGracePeriodSeconds")
        allowed = DEFAULT_GRACE_S if said is None else said
        for field, container in _serving(workload):
            server, hook = grace(container), _pre_stop(container)
            needed = hook + (server or 0)
            if server is not None and allowed < needed:
                yield Sighting(
                    workload.object,
                    workload.field("spec", "terminationGracePeriodSeconds"),
                    f"{allowed} s, but preStop takes {hook:g} s and {field} up to {server:g} s to end",
                    f"terminationGracePeriodSeconds: {int(needed) + 5}",
                )


def _pre_stop(container: Mapping[str, Any]) -> float:
    hook = mapping(container, "lifecycle", "preStop")
    slept = whole(hook, "sleep", "seconds")
    if slept is not None:
        return float(slept)
    command = words(hook, "exec", "command")
    numbers = [each for each in " ".join(command).split() if each.isdigit()]
    return float(numbers[0]) if "sleep" in " ".join(command) and numbers else 0.0
