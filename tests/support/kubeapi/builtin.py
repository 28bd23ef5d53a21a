"""The built-in kinds, with the schemas that Kubernetes publishes (out of the package kubernetes-validate)."""

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from tests.support.kubeapi.kinds import Kind
from tests.support.kubeapi.schema import Schema

VERSION = "1.37.0"
CORE = "io.k8s.api.core.v1"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
TIMES = {f"{META}.Time": "date-time", f"{META}.MicroTime": "micro-time"}


def kinds() -> list[Kind]:
    """The kinds that a controller meets."""
    leases = {"v1": _schema("io.k8s.api.coordination.v1.Lease")}
    scalers = {"v2": _schema("io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler")}
    return [
        Kind(
            "",
            "namespaces",
            "Namespace",
            _core("Namespace"),
            namespaced=False,
            short_names=("ns",),
            status=True,
        ),
        Kind("", "services", "Service", _core("Service"), short_names=("svc",), status=True),
        Kind("", "pods", "Pod", _core("Pod"), short_names=("po",), status=True, counted=True),
        Kind("", "events", "Event", _core("Event"), short_names=("ev",)),
        Kind("", "configmaps", "ConfigMap", _core("ConfigMap"), short_names=("cm",)),
        Kind("", "secrets", "Secret", _core("Secret")),
        Kind("", "serviceaccounts", "ServiceAccount", _core("ServiceAccount"), short_names=("sa",)),
        _deployments(),
        Kind("coordination.k8s.io", "leases", "Lease", leases, blind_update=False),
        Kind(
            "autoscaling",
            "horizontalpodautoscalers",
            "HorizontalPodAutoscaler",
            scalers,
            short_names=("hpa",),
            status=True,
        ),
        # The server itself checks definitions, so any fields pass here.
        Kind(
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "CustomResourceDefinition",
            {"v1": {"type": "object"}},
            namespaced=False,
            short_names=("crd",),
            status=True,
            counted=True,
        ),
    ]


def _deployments() -> Kind:
    schema = {"v1": _schema("io.k8s.api.apps.v1.Deployment")}
    return Kind(
        "apps",
        "deployments",
        "Deployment",
        schema,
        short_names=("deploy",),
        status=True,
        scale=True,
        counted=True,
    )


def _core(name: str) -> Mapping[str, Schema]:
    return {"v1": _schema(f"{CORE}.{name}")}


@functools.cache
def _definitions() -> Mapping[str, Any]:
    folder = files("kubernetes_validate") / "kubernetes-json-schema" / f"v{VERSION}-local"
    found: Mapping[str, Any] = json.loads((folder / "_definitions.json").read_text("utf-8"))["$defs"]
    return found


def published(name: str) -> Schema:
    """Return the schema of a kind that the server does not know by itself, for a test that adds it."""
    return _schema(name)


@functools.cache
def _schema(name: str) -> Schema:
    """Return a definition with all references put in their places."""
    if name in TIMES:
        return {"type": "string", "format": TIMES[name]}
    found = _definitions()[name]
    return _plain(found) | {"type": found.get("type", "object")} if "properties" in found else _plain(found)


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        return dict(_schema(schema["$ref"].rpartition("/")[2]))
    if "oneOf" in schema:
        # A quantity, or a number or a percentage.
        return {"x-kubernetes-int-or-string": True}
    plain = {key: value for key, value in schema.items() if key != "description"}
    if "properties" in plain:
        plain["properties"] = {name: _plain(inner) for name, inner in plain["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(plain.get(key), Mapping):
            plain[key] = _plain(plain[key])
    return plain
