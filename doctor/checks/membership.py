"""Sidecars: pods that should have one and have none."""

from collections.abc import Iterator

from doctor.check import check
from doctor.dig import listed, mapping
from doctor.fixes import label
from doctor.meshed import INJECTION, MODE, REVISION, Mode, has_proxy, membership
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import Workload, running
from doctor.traffic import routed_workloads


@check("BM501", Severity.ERROR)
def outside_the_mesh(inventory: Inventory) -> Iterator[Sighting]:
    """Pods behind a route are not part of the mesh.

    Without a sidecar or ztunnel nothing is reported at the destination, so the judge sees a silent
    canary; mTLS, authorization and outlier detection do not apply to them, and under STRICT they cannot
    be reached.

    Label the namespace istio-injection=enabled (or istio.io/rev=REVISION, or
    istio.io/dataplane-mode=ambient) and restart the pods.
    """
    for workload in routed_workloads(inventory):
        found = membership(inventory, workload)
        if found.mode is Mode.NONE:
            yield Sighting(
                workload.object, workload.field("metadata", "labels"), found.because, _join(workload)
            )
        elif found.mode is Mode.SIDECAR:
            yield from _injected_later(inventory, workload)


def _join(workload: Workload) -> str:
    place = Object({"kind": "Namespace", "metadata": {"name": workload.namespace}}, namespace="")
    restart = f"kubectl -n {workload.namespace} rollout restart {workload.object.kind.lower()}"
    return f"{label(place, f'{INJECTION}=enabled')} && {restart}/{workload.object.name}"


def _injected_later(inventory: Inventory, workload: Workload) -> Iterator[Sighting]:
    bare = [pod.name for pod in running(inventory, workload) if not has_proxy(mapping(pod.body, "spec"))]
    if bare:
        yield Sighting(
            workload.object,
            "pods",
            f"{listed(bare, 3)} run without istio-proxy: they are older than the label, or nobody injects",
            f"kubectl -n {workload.namespace} rollout restart "
            f"{workload.object.kind.lower()}/{workload.object.name}; if they come back without, see that an "
            "injector is there for the revision: kubectl get mutatingwebhookconfigurations",
        )


@check("BM502", Severity.INFO)
def membership_unknown(inventory: Inventory) -> Iterator[Sighting]:
    """Nothing here says whether the pods get a sidecar.

    The label is on the Namespace, which is not among the files; with the wrong one the pods are outside
    the mesh.

    Look at the cluster: kubectl get namespace NAME --show-labels, or bertmesh doctor -n NAME.
    """
    told: set[str] = set()
    for workload in routed_workloads(inventory):
        found = membership(inventory, workload)
        if found.mode is Mode.UNKNOWN and workload.namespace not in told:
            told.add(workload.namespace)
            yield Sighting(
                workload.object,
                "metadata.namespace",
                found.because,
                f"kubectl get namespace {workload.namespace} --show-labels",
            )


@check("BM503", Severity.WARNING)
def contradicting_labels(inventory: Inventory) -> Iterator[Sighting]:
    """A namespace says two things about its part in the mesh.

    istio-injection wins over istio.io/rev, so the revision that an upgrade is rolled out with is not
    used; with istio.io/dataplane-mode=ambient beside them, pods with a sidecar bypass the waypoint.

    Keep one of the labels.
    """
    for namespace in inventory.of("Namespace"):
        said = [
            f"{key}={namespace.labels[key]}"
            for key in (INJECTION, REVISION, MODE)
            if namespace.labels.get(key) not in (None, "disabled", "none")
        ]
        if len(said) > 1:
            yield Sighting(
                namespace, "metadata.labels", listed(said), label(namespace, f"{said[0].partition('=')[0]}-")
            )
