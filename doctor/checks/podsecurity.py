"""The restricted Pod Security Standard (https://kubernetes.io/docs/concepts/security/pod-security-standards)."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from doctor.check import check
from doctor.dig import Document, dig, labels, listed, mapping, parts, text, words
from doctor.model import Inventory, Severity, Sighting
from doctor.pods import PROXY, Workload, workloads

VOLUMES: Final = frozenset(
    {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim",
     "projected", "secret"}
)  # fmt: skip
PROFILES: Final = frozenset({"RuntimeDefault", "Localhost"})
SYSCTLS: Final = frozenset(
    {"kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
     "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
     "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
     "net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
)  # fmt: skip
CONTAINERS: Final = ("initContainers", "containers", "ephemeralContainers")

Violation = tuple[str, str, str]
"""Field, what was seen, how to mend it."""


def violations(workload: Workload) -> Iterator[Violation]:
    """Yield what the restricted standard forbids in a workload's pods."""
    spec = workload.spec
    yield from _host(spec)
    yield from _volumes(spec)
    yield from _sysctls(spec)
    for kind in CONTAINERS:
        for number, container in enumerate(parts(spec, kind)):
            if text(container, "name") != PROXY:
                for field, seen, fix in _container(spec, container):
                    yield f"{kind}[{number}].{field}", seen, fix


def _host(spec: Document) -> Iterator[Violation]:
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if dig(spec, field) is True:
            yield field, "true", f"remove {field}"
    if dig(spec, "securityContext", "windowsOptions", "hostProcess") is True:
        yield "securityContext.windowsOptions.hostProcess", "true", "remove it"


def _volumes(spec: Document) -> Iterator[Violation]:
    for number, volume in enumerate(parts(spec, "volumes")):
        kind = next((str(key) for key in volume if key != "name"), "emptyDir")
        if kind not in VOLUMES:
            yield f"volumes[{number}]", kind, "use a persistentVolumeClaim, a configMap or an emptyDir"


def _sysctls(spec: Document) -> Iterator[Violation]:
    for each in parts(spec, "securityContext", "sysctls"):
        if text(each, "name") not in SYSCTLS:
            yield "securityContext.sysctls", text(each, "name"), "remove it"


def _container(spec: Document, container: Mapping[str, Any]) -> Iterator[Violation]:
    own, pod = mapping(container, "securityContext"), mapping(spec, "securityContext")

    def said(*path: str) -> Any:  # noqa: ANN401 - any JSON
        found = dig(own, *path)
        return dig(pod, *path) if found is None else found

    yield from _privileges(own)
    yield from _capabilities(own)
    if said("runAsNonRoot") is not True:
        yield "securityContext.runAsNonRoot", _shown(said("runAsNonRoot")), "runAsNonRoot: true"
    if said("runAsUser") == 0:
        yield "securityContext.runAsUser", "0", "runAsUser: 10001"
    if said("seccompProfile", "type") not in PROFILES:
        seen = _shown(said("seccompProfile", "type"))
        yield "securityContext.seccompProfile.type", seen, "seccompProfile: {type: RuntimeDefault}"
    if said("appArmorProfile", "type") == "Unconfined":
        yield "securityContext.appArmorProfile.type", "Unconfined", "remove it"
    for number, port in enumerate(parts(container, "ports")):
        if port.get("hostPort"):
            yield f"ports[{number}].hostPort", text(port, "hostPort"), "remove hostPort"


def _privileges(own: Document) -> Iterator[Violation]:
    if own.get("privileged") is True:
        yield "securityContext.privileged", "true", "remove it"
    if own.get("allowPrivilegeEscalation") is not False:
        seen = _shown(own.get("allowPrivilegeEscalation"))
        yield "securityContext.allowPrivilegeEscalation", seen, "allowPrivilegeEscalation: false"
    if text(own, "procMount") not in ("", "Default"):
        yield "securityContext.procMount", text(own, "procMount"), "remove it"


def _capabilities(own: Document) -> Iterator[Violation]:
    dropped, added = words(own, "capabilities", "drop"), words(own, "capabilities", "add")
    if "ALL" not in dropped:
        yield "securityContext.capabilities.drop", listed(dropped), "capabilities: {drop: [ALL]}"
    if set(added) - {"NET_BIND_SERVICE"}:
        yield "securityContext.capabilities.add", listed(added), "remove all but NET_BIND_SERVICE"


def _shown(value: object) -> str:
    return "not set" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


@check("BM801", Severity.ERROR)
def pod_security(inventory: Inventory) -> Iterator[Sighting]:
    """Pods break the restricted Pod Security Standard.

    A namespace that enforces `restricted` refuses the pods, and the Deployment stands at zero with an
    Event as the only sign; elsewhere a hole in the model server is a hole in the node.

    Set the security context as the finding says.
    """
    for workload in workloads(inventory):
        if not _own_business(inventory, workload):
            for field, seen, fix in violations(workload):
                yield Sighting(
                    workload.object, workload.field("spec", field), seen,
                    f"{_parent(workload, field)}: {fix}",
                )  # fmt: skip


def _parent(workload: Workload, field: str) -> str:
    """Return where a fix goes: the security context, or the part that holds the field."""
    before, context, _ = field.rpartition("securityContext")
    return workload.field("spec", before + context if context else field)


def _own_business(inventory: Inventory, workload: Workload) -> bool:
    """Tell whether pods belong to Istio itself."""
    told = labels(workload.object.body, "metadata", "labels")
    return workload.namespace == inventory.root or "gateway.istio.io/managed" in told
