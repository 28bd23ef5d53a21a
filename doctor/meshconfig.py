"""Istio's mesh configuration as it lies in the ConfigMap `istio`."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from doctor.dig import dig, mapping, parts, text, words
from doctor.model import Inventory, Object

TELEMETRY: Final = "telemetry.istio.io"
PROVIDER_KINDS: Final = {
    "opentelemetry": "w3c",
    "zipkin": "b3",
    "lightstep": "b3",
    "datadog": "datadog",
    "opencensus": "w3c",
    "skywalking": "skywalking",
}


def mesh_configs(inventory: Inventory) -> list[tuple[Object, Mapping[str, Any]]]:
    """Return the mesh configurations that were read, one a revision."""
    return [
        (each, _parsed(text(each.body, "data", "mesh")))
        for each in inventory.of("ConfigMap", namespace=inventory.root)
        if (each.name == "istio" or each.name.startswith("istio-")) and text(each.body, "data", "mesh")
    ]


def _parsed(said: str) -> Mapping[str, Any]:
    try:
        return mapping(yaml.safe_load(said))
    except yaml.YAMLError:
        return {}


def providers(inventory: Inventory) -> dict[str, str]:
    """Return the extension providers by name, with their kinds."""
    return {
        text(each, "name"): next((str(key) for key in each if key != "name"), "")
        for _, config in mesh_configs(inventory)
        for each in parts(config, "extensionProviders")
    }


def tracing(inventory: Inventory) -> Iterator[tuple[Object, str, Mapping[str, Any]]]:
    """Yield each tracing part of each Telemetry: the object, the field, the part."""
    for each in inventory.of("Telemetry", group=TELEMETRY):
        for number, part in enumerate(each.parts("spec", "tracing")):
            yield each, f"spec.tracing[{number}]", part


def named_providers(part: Mapping[str, Any]) -> list[str]:
    """Return the providers that a tracing part names."""
    return [text(each, "name") for each in parts(part, "providers") if text(each, "name")]


def default_providers(inventory: Inventory) -> list[str]:
    """Return the tracing providers that hold where no Telemetry names one."""
    return [
        name for _, config in mesh_configs(inventory) for name in words(config, "defaultProviders", "tracing")
    ]


def default_sampling(inventory: Inventory) -> float | None:
    """Return the mesh-wide sampling in per cent, None where nothing is said."""
    for _, config in mesh_configs(inventory):
        found = dig(config, "defaultConfig", "tracing", "sampling")
        if isinstance(found, int | float):
            return float(found)
    return None
