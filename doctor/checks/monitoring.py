"""Whether Prometheus reads what the pods say."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import dig, labels, listed, mapping, matches, parts, shown, text, words
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import SERVING, Workload, selected, workloads
from doctor.traffic import routed_workloads

SCRAPE: Final = "prometheus.io/scrape"
GATEWAY_NAME: Final = "gateway.networking.k8s.io/gateway-name"
MONITORING: Final = "monitoring.coreos.com"


def _looks_at(monitor: Object, namespace: str) -> bool:
    selector = mapping(monitor.body, "spec", "namespaceSelector")
    named = words(selector, "matchNames") or [monitor.namespace]
    return dig(selector, "any") is True or namespace in named


def _watched(inventory: Inventory, monitor: Object) -> list[Workload]:
    """Return the workloads whose pods a monitor selects."""
    selector = mapping(monitor.body, "spec", "selector")
    if monitor.kind == "PodMonitor":
        return [
            each
            for each in workloads(inventory, *SERVING)
            if _looks_at(monitor, each.namespace) and matches(selector, each.labels)
        ]
    return [
        each
        for service in inventory.of("Service")
        if _looks_at(monitor, service.namespace) and matches(selector, service.labels)
        for each in selected(inventory, service)
    ]


def _monitors(inventory: Inventory) -> Iterator[Object]:
    yield from inventory.of("ServiceMonitor", "PodMonitor", group=MONITORING)


@check("BM606", Severity.WARNING)
def not_scraped(inventory: Inventory) -> Iterator[Sighting]:
    """Nothing tells Prometheus to read the pods.

    The pod's own numbers (answers, low confidence, cache hits, queue) are then missing: what the judge
    knows is what the proxies see, and the dashboards are empty.

    A PodMonitor over the pods, or the annotations prometheus.io/scrape and prometheus.io/port on the pod
    template.
    """
    watched = {str(each) for monitor in _monitors(inventory) for each in _watched(inventory, monitor)}
    for workload in routed_workloads(inventory):
        annotated = workload.annotations.get(SCRAPE) == "true"
        if not annotated and str(workload) not in watched:
            yield Sighting(
                workload.object,
                workload.field("metadata", "annotations"),
                f"no {SCRAPE}, and no ServiceMonitor or PodMonitor selects {shown(workload.labels)}",
                'on the pods: annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8000", '
                "prometheus.io/path: /metrics}, or a PodMonitor",
            )


@check("BM607", Severity.WARNING)
def monitor_without_pods(inventory: Inventory) -> Iterator[Sighting]:
    """A ServiceMonitor or PodMonitor selects nothing, or a port that is not there.

    The operator makes a scrape configuration without targets from it: no error anywhere, and no data.

    Make its selector the labels of the Service (of the pods for a PodMonitor), and its port one of
    theirs.
    """
    for monitor in _monitors(inventory):
        known = inventory.sees("Service") or inventory.sees("Deployment")
        if not known or _of_a_gateway(monitor):
            continue
        if not _watched(inventory, monitor):
            wanted = labels(monitor.body, "spec", "selector", "matchLabels")
            kind = "Services" if monitor.kind == "ServiceMonitor" else "pods"
            yield Sighting(
                monitor, "spec.selector", f"no {kind} with {shown(wanted)}",
                f"kubectl -n {monitor.namespace} get {kind.lower()} --show-labels, and select by those",
            )  # fmt: skip
            continue
        ports = _ports(inventory, monitor)
        field = "endpoints" if monitor.kind == "ServiceMonitor" else "podMetricsEndpoints"
        for number, endpoint in enumerate(monitor.parts("spec", field)):
            port = text(endpoint, "port")
            if port and port not in ports:
                yield Sighting(
                    monitor, f"spec.{field}[{number}].port", f"{port!r}; there are {listed(sorted(ports))}",
                    f"name one of {listed(sorted(ports))}",
                )  # fmt: skip


def _of_a_gateway(monitor: Object) -> bool:
    """Tell whether the pods are those that Istio makes for a Gateway, which no manifest shows."""
    selector = mapping(monitor.body, "spec", "selector")
    keys = {
        *mapping(selector, "matchLabels"),
        *(text(each, "key") for each in parts(selector, "matchExpressions")),
    }
    return GATEWAY_NAME in keys


def _ports(inventory: Inventory, monitor: Object) -> set[str]:
    if monitor.kind == "ServiceMonitor":
        selector = mapping(monitor.body, "spec", "selector")
        chosen = [each for each in inventory.of("Service") if matches(selector, each.labels)]
        return {text(port, "name") for each in chosen for port in each.parts("spec", "ports")}
    return {
        text(port, "name")
        for each in _watched(inventory, monitor)
        for _, container in each.containers
        for port in parts(container, "ports")
    }
