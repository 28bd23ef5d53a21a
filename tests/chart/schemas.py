"""Strict schemas for every object that the chart renders; a kind without one is an error, never a pass.

Kubernetes' own kinds are checked by kubernetes-validate, ours by its definition, rules included, the others
by the models of a package and, where they are at hand, by their definitions as well.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import yaml

from tests.mesh.istio_schemas import Schema, problems, strict
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import OWN, UPSTREAM, crd_file

KUBERNETES = "1.37"
OWN_KIND = ("bertmesh.dev/v1alpha1", "ModelRollout")
# Where the package has a kind's model. Imported when it is asked for: together they take seconds.
MODELS: Mapping[tuple[str, str], str] = {
    ("networking.istio.io/v1", "DestinationRule"): "istio.networking.v1",
    ("networking.istio.io/v1", "Gateway"): "istio.networking.v1",
    ("networking.istio.io/v1", "Sidecar"): "istio.networking.v1",
    ("networking.istio.io/v1alpha3", "EnvoyFilter"): "istio.networking.v1alpha3",
    ("security.istio.io/v1", "AuthorizationPolicy"): "istio.security.v1",
    ("security.istio.io/v1", "PeerAuthentication"): "istio.security.v1",
    ("security.istio.io/v1", "RequestAuthentication"): "istio.security.v1",
    ("telemetry.istio.io/v1", "Telemetry"): "istio.telemetry.v1",
    ("keda.sh/v1alpha1", "ScaledObject"): "keda.v1alpha1",
    ("monitoring.coreos.com/v1", "PodMonitor"): "prometheus_operator.v1",
    ("monitoring.coreos.com/v1", "PrometheusRule"): "prometheus_operator.v1",
}
GATEWAY = ("gateway.networking.k8s.io/v1", "Gateway")
# No package has models of the Gateway API: this is what the chart uses of it, and nothing else.
LISTENER: Schema = {
    "type": "object",
    "required": ["name", "port", "protocol"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "port": {"type": "integer", "minimum": 1, "maximum": 65535},
        "protocol": {"enum": ["HTTP", "HTTPS", "HBONE"]},
        "allowedRoutes": {"const": {"namespaces": {"from": "Same"}}},
        "tls": {
            "type": "object",
            "required": ["mode", "certificateRefs"],
            "additionalProperties": False,
            "properties": {
                "mode": {"const": "Terminate"},
                "certificateRefs": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["kind", "name"],
                        "additionalProperties": False,
                        "properties": {"kind": {"const": "Secret"}, "name": {"type": "string"}},
                    },
                },
            },
        },
    },
}
GATEWAY_SPEC: Schema = {
    "type": "object",
    "required": ["gatewayClassName", "listeners"],
    "additionalProperties": False,
    "properties": {
        "gatewayClassName": {"type": "string", "minLength": 1},
        "listeners": {"type": "array", "minItems": 1, "items": LISTENER},
    },
}
METADATA: Schema = {
    "type": "object",
    "required": ["name", "namespace", "labels"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "maxLength": 253},
        "namespace": {"type": "string"},
        "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
        "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def wrong(document: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an object; nothing if it is valid."""
    # Most objects are the same in many renderings.
    return list(_wrong(json.dumps(document, sort_keys=True)))


@cache
def _wrong(text: str) -> tuple[str, ...]:
    document = json.loads(text)
    return tuple(_found(document))


def _found(document: Mapping[str, Any]) -> list[str]:
    kind = (document["apiVersion"], document["kind"])
    if kind == OWN_KIND:
        return _own(document)
    if kind in MODELS or kind == GATEWAY:
        return [each for schema in _schemas(*kind) for each in problems(document, schema)]
    try:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    except kubernetes_validate.SchemaNotFoundError:
        return [f"there is no schema for {kind}"]
    except kubernetes_validate.ValidationError as error:
        return [f"{'.'.join(map(str, error.path))}: {error.message}"]
    return []


@cache
def _schemas(api_version: str, kind: str) -> tuple[Schema, ...]:
    return tuple(_document(api_version, kind, *spec) for spec in _specs(api_version, kind))


def _specs(api_version: str, kind: str) -> Iterator[tuple[Schema, Schema]]:
    """Yield each schema of the spec that there is, with its definitions."""
    if module := MODELS.get((api_version, kind)):
        schema = getattr(import_module(f"cloudcoil.models.{module}"), kind).model_json_schema(by_alias=True)
        definitions = {name: strict(part) for name, part in schema["$defs"].items()}
        yield strict(schema["properties"]["spec"]), definitions
    else:
        yield GATEWAY_SPEC, {}
    if (api_version, kind) in (found := _definitions()):
        yield strict(found[api_version, kind]), {}


@cache
def _definitions() -> Mapping[tuple[str, str], Schema]:
    """Return the specs of the upstream definitions that are at hand."""
    found = {}
    for file in filter(None, map(crd_file, UPSTREAM)):
        for crd in yaml.load_all(file.read_text(encoding="utf-8"), Loader=yaml.CSafeLoader):
            if not crd or crd["kind"] != "CustomResourceDefinition":
                continue
            for version in crd["spec"]["versions"]:
                name = f"{crd['spec']['group']}/{version['name']}"
                schema = version["schema"]["openAPIV3Schema"]["properties"].get("spec", {})
                found[name, crd["spec"]["names"]["kind"]] = schema
    return found


def _document(api_version: str, kind: str, spec: Schema, definitions: Schema) -> Schema:
    properties = {
        "apiVersion": {"const": api_version},
        "kind": {"const": kind},
        "metadata": METADATA,
        "spec": spec,
    }
    return {
        "type": "object",
        "properties": properties,
        "required": [*properties],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _own(document: Mapping[str, Any]) -> list[str]:
    """Ask an API server that has our definition, its rules included."""
    with KubeApi([OWN], namespaces=[document["metadata"]["namespace"]]) as api:
        try:
            api.create(document)
        except Exception as error:  # noqa: BLE001 - whatever it says is what is wrong
            return [str(error)]
    return []
