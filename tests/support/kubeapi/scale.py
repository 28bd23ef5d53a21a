"""The scale subresource of Deployments."""

from typing import Any

from tests.support.kubeapi import patches
from tests.support.kubeapi.problem import unsupported
from tests.support.kubeapi.target import Object, Options, Target
from tests.support.kubeapi.verbs import Verbs


def read(verbs: Verbs, target: Target) -> Object:
    """Return the Scale of a Deployment."""
    document = verbs.get(target)
    spec, metadata = document.get("spec", {}), document["metadata"]
    labels = spec.get("selector", {}).get("matchLabels", {})
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in kept},
        "spec": {"replicas": spec.get("replicas", 0)},
        "status": {
            "replicas": document.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in sorted(labels.items())),
        },
    }


def write(verbs: Verbs, target: Target, body: Object, options: Options) -> Object:
    """Take the number of replicas out of a Scale, and nothing else."""
    whole = Target(target.kind, target.version, target.namespace, target.name)
    with verbs.storage.lock:
        live = verbs.get(whole)
        seen = body.get("metadata", {}).get("resourceVersion", live["metadata"]["resourceVersion"])
        metadata = {**live["metadata"], "resourceVersion": seen}
        spec = {**live["spec"], "replicas": body["spec"]["replicas"]}
        verbs.update(whole, {**live, "metadata": metadata, "spec": spec}, options)
        return read(verbs, target)


def patched(verbs: Verbs, target: Target, content_type: str, body: Any) -> Object:  # noqa: ANN401 - any JSON
    """Return the Scale that a patch makes."""
    scale = read(verbs, target)
    match content_type:
        case "application/merge-patch+json" | "application/strategic-merge-patch+json":
            return dict(patches.merge_patch(scale, body))
        case "application/json-patch+json":
            return dict(patches.json_patch(scale, body))
        case _:
            raise unsupported(content_type)
