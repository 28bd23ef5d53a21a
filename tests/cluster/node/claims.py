"""Volumes that are claimed: each claim gets one of its own, and Kubernetes' controller binds the two."""

from collections.abc import Mapping
from typing import Any, Final

from tests.cluster.node.api import Document

PATH: Final = "/api/v1/persistentvolumes"


def volume_for(claim: Mapping[str, Any], node: str) -> Document:
    """Return the volume that is made for a claim."""
    metadata, spec = claim["metadata"], claim["spec"]
    reference = {"apiVersion": "v1", "kind": "PersistentVolumeClaim"} | {
        name: metadata[name] for name in ("namespace", "name", "uid")
    }
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"pvc-{metadata['uid']}"},
        "spec": {
            "capacity": {"storage": spec["resources"]["requests"]["storage"]},
            "accessModes": spec["accessModes"],
            "storageClassName": spec.get("storageClassName") or "",
            "claimRef": reference,
            "persistentVolumeReclaimPolicy": "Retain",
            # Nobody mounts this path: the node keeps a folder by the volume's name.
            "hostPath": {"path": f"/{node}/claims"},
        },
    }


def wants_volume(claim: Mapping[str, Any]) -> bool:
    """Return whether a claim waits for a volume."""
    pending = claim.get("status", {}).get("phase", "Pending") == "Pending"
    return pending and not claim["spec"].get("volumeName") and "deletionTimestamp" not in claim["metadata"]
