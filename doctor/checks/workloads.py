"""How pods are started and replaced."""

from collections.abc import Iterator

from doctor.check import check
from doctor.dig import text
from doctor.fixes import merge
from doctor.model import Inventory, Severity, Sighting
from doctor.pods import workloads
from doctor.traffic import routed_workloads


@check("BM305", Severity.WARNING)
def image_not_pinned(inventory: Inventory) -> Iterator[Sighting]:
    """An image has no tag, or the tag latest.

    Two pods of one version may run different code, and a rollback brings back a name, not an image.

    Name a version, or better a digest (image@sha256:...).
    """
    for workload in workloads(inventory):
        for field, container in workload.containers:
            image = text(container, "image")
            _, _, tag = image.rpartition("/")[2].partition(":")
            if image and image != "auto" and "@" not in image and tag in ("", "latest"):
                yield Sighting(
                    workload.object, f"{field}.image", image, f"image: {image.split(':')[0]}@sha256:DIGEST"
                )


@check("BM306", Severity.WARNING)
def no_requests(inventory: Inventory) -> Iterator[Sighting]:
    """Pods behind a route ask for no CPU or no memory.

    The scheduler packs them where there is no room; a model pod that shares its cores misses its
    deadlines, and is the first that the kernel kills when memory runs short.

    Set resources.requests.cpu and .memory; docs/sizing.md has measured numbers.
    """
    for workload in routed_workloads(inventory):
        for field, container in workload.containers:
            missing = [
                each for each in ("cpu", "memory")
                if not text(container, "resources", "requests", each)
                and not text(container, "resources", "limits", each)
            ]  # fmt: skip
            if missing:
                yield Sighting(
                    workload.object,
                    f"{field}.resources.requests",
                    f"no {' and no '.join(missing)}",
                    'resources: {requests: {cpu: "1", memory: 1Gi}}',
                )


@check("BM307", Severity.WARNING)
def all_pods_at_once(inventory: Inventory) -> Iterator[Sighting]:
    """A Deployment behind a route takes pods away before new ones are ready.

    Each upgrade costs requests or capacity, and during a rollout the evidence of that version.

    RollingUpdate with maxUnavailable 0.
    """
    for workload in routed_workloads(inventory):
        strategy = workload.object.dig("spec", "strategy")
        if workload.object.kind == "Deployment" and text(strategy, "type") == "Recreate":
            wanted = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
            yield Sighting(
                workload.object,
                "spec.strategy.type",
                "Recreate",
                merge(workload.object, {"spec": {"strategy": wanted}}),
            )
