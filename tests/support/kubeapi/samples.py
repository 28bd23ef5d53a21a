"""Small objects for tests."""

from collections.abc import Mapping, Sequence
from typing import Any

Document = dict[str, Any]
Untyped = Any


def untyped(value: object) -> Untyped:
    """Return ``value`` without its type: the client's models say of every field that it may be None."""
    return value


def rollout(
    name: str = "bert",
    *,
    finalizers: Sequence[str] = (),
    labels: Mapping[str, str] | None = None,
    **spec: Any,  # noqa: ANN401 - any JSON
) -> Document:
    """Return a ModelRollout from 1.0 to 1.1."""
    metadata = {"name": name, "namespace": "default", "finalizers": list(finalizers), "labels": labels or {}}
    return {
        "apiVersion": "bertmesh.dev/v1alpha1",
        "kind": "ModelRollout",
        "metadata": {key: value for key, value in metadata.items() if value},
        "spec": {"service": "bert", "stable": "1.0", "canary": "1.1", **spec},
    }


def config_map(
    data: Mapping[str, str], name: str = "settings", labels: Mapping[str, str] | None = None
) -> Document:
    """Return a ConfigMap."""
    metadata = {"name": name, "namespace": "default", **({"labels": dict(labels)} if labels else {})}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": dict(data)}


def deployment(name: str, *, replicas: int = 1, labels: Mapping[str, str] | None = None) -> Document:
    """Return a Deployment of one container."""
    chosen = dict(labels or {"app": "bert", "version": name.removeprefix("bert-")})
    container = {"name": "pod", "image": "bertmesh", "ports": [{"containerPort": 8080, "protocol": "TCP"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "labels": chosen},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": chosen},
            "template": {"metadata": {"labels": chosen}, "spec": {"containers": [container]}},
        },
    }
