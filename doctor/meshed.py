"""Whether pods are part of the mesh, by the labels that Istio goes by."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from doctor.dig import Document, dig, parts, text
from doctor.model import Inventory
from doctor.pods import PROXY, Workload

INJECTION: Final = "istio-injection"
REVISION: Final = "istio.io/rev"
INJECT: Final = "sidecar.istio.io/inject"
MODE: Final = "istio.io/dataplane-mode"
WAYPOINT: Final = "istio.io/use-waypoint"


class Mode(StrEnum):
    """How pods take part."""

    SIDECAR = "sidecar"
    AMBIENT = "ambient"
    NONE = "none"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Membership:
    """How pods take part, and what says so."""

    mode: Mode
    because: str


def membership(inventory: Inventory, workload: Workload) -> Membership:
    """Return how a workload's pods take part: by their own labels first, then by their namespace's."""
    if has_proxy(workload.spec):
        return Membership(Mode.SIDECAR, f"a container {PROXY}")
    if dig(workload.spec, "hostNetwork") is True:
        return Membership(Mode.NONE, "hostNetwork: true, where Istio injects nothing")
    own = _own(workload)
    return own or _of_namespace(inventory, workload.namespace)


def _own(workload: Workload) -> Membership | None:
    told = {**workload.annotations, **workload.labels}
    if told.get(INJECT) == "false":
        return Membership(Mode.NONE, f"{INJECT}=false on the pods")
    if told.get(INJECT) == "true" or REVISION in workload.labels:
        return Membership(Mode.SIDECAR, "a label of the pods")
    if workload.labels.get(MODE) in (Mode.AMBIENT, Mode.NONE):
        return Membership(Mode(workload.labels[MODE]), f"{MODE} on the pods")
    return None


def _of_namespace(inventory: Inventory, name: str) -> Membership:
    namespace = inventory.find("Namespace", "", name)
    if namespace is None:
        return Membership(Mode.UNKNOWN, f"the Namespace {name} is not among what was read")
    told = namespace.labels
    if told.get(MODE) == Mode.AMBIENT:
        return Membership(Mode.AMBIENT, f"{MODE}=ambient on the namespace")
    if told.get(INJECTION) == "disabled":
        return Membership(Mode.NONE, f"{INJECTION}=disabled on the namespace")
    if told.get(INJECTION) == "enabled" or REVISION in told:
        return Membership(Mode.SIDECAR, "a label of the namespace")
    return Membership(Mode.NONE, f"the namespace {name} has none of {INJECTION}, {REVISION}, {MODE}")


def has_proxy(spec: Document) -> bool:
    """Tell whether a pod's spec has Istio's sidecar; a native one is an init container."""
    return any(
        text(container, "name") == PROXY
        for kind in ("containers", "initContainers")
        for container in parts(spec, kind)
    )
