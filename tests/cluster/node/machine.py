"""The node as the API server knows it: a Node, and a Lease that says that it lives."""

import os
from datetime import UTC, datetime
from typing import Final

from tests.cluster.node.api import Api, Document, Refused
from tests.cluster.node.status import now

BEAT_S: Final = 10.0
LEASES: Final = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
VERSION: Final = "v1.36.3"
CONFLICT: Final = 409


def allocatable() -> dict[str, str]:
    """Return what pods may ask for: all that this machine has."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    return {"cpu": str(os.cpu_count()), "memory": f"{memory}Ki", "ephemeral-storage": "50Gi", "pods": "250"}


async def register(api: Api, name: str, address: str) -> None:
    """Make the Node, or take it over from an earlier run of the node; it is Ready at once."""
    labels = {
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": _architecture(),
    }
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": {}}
    try:
        await api.post("/api/v1/nodes", node)
    except Refused as refused:
        if refused.code != CONFLICT:
            raise
    await api.merge(f"/api/v1/nodes/{name}/status", {"status": _status(name, address)})


async def beat(api: Api, name: str) -> None:
    """Renew the Lease; without it the pods of the node would be taken for lost after a minute."""
    moment = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": moment}
    if await api.merge(f"{LEASES}/{name}", {"spec": spec}) is None:
        metadata = {"name": name, "namespace": "kube-node-lease"}
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        await api.post(LEASES, lease)


def _status(name: str, address: str) -> Document:
    has = allocatable()
    return {
        "capacity": has,
        "allocatable": has,
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}],
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "pods run as processes",
                "lastHeartbeatTime": now(),
                "lastTransitionTime": now(),
            }
        ],
        "nodeInfo": {
            "kubeletVersion": VERSION,
            "kubeProxyVersion": VERSION,
            "containerRuntimeVersion": "process://1",
            "operatingSystem": "linux",
            "architecture": _architecture(),
            "osImage": "this machine",
            "kernelVersion": os.uname().release,
            "machineID": name,
            "systemUUID": name,
            "bootID": name,
        },
    }


def _architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
