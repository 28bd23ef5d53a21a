"""The custom kinds that the project meets: its own, Istio's and those of the Gateway API."""

import os
from pathlib import Path
from typing import Any

from tests.support.kubeapi.api import KubeApi

ROOT = Path(__file__).resolve().parents[3]
OWN = ROOT / "deploy" / "crd" / "modelrollouts.yaml"
UPSTREAM = {
    "istio-*-crd-all.gen.yaml": (
        ("networking.istio.io", "v1", "virtualservices", "VirtualService"),
        ("networking.istio.io", "v1", "destinationrules", "DestinationRule"),
    ),
    "gateway-api-*-standard-install.yaml": (("gateway.networking.k8s.io", "v1", "httproutes", "HTTPRoute"),),
}


def crd_file(pattern: str) -> Path | None:
    """Return the upstream CRDs: in the folder BERTMESH_CRDS, or in ../shared/crds beside the repository."""
    folder = Path(os.environ.get("BERTMESH_CRDS", ROOT.parent / "shared" / "crds"))
    return next(iter(sorted(folder.glob(pattern))), None)


def mesh_api(**options: Any) -> KubeApi:  # noqa: ANN401 - what KubeApi takes
    """Return a server that knows the project's own kind and those that the routers write.

    Where the upstream CRDs are not at hand, their kinds take any fields, merge maps by key and lists as a
    whole, which is what these CRDs say of all that we write.
    """
    api = KubeApi(crds=[OWN], **options)
    for pattern, kinds in UPSTREAM.items():
        found = crd_file(pattern)
        if found is not None:
            api.install(found, *(name for *_, name in kinds))
        else:
            for kind in kinds:
                api.create(open_definition(*kind))
    return api


def open_definition(group: str, version: str, plural: str, name: str) -> dict[str, Any]:
    """Return the CRD of a kind that takes any fields."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "kind": name},
            "versions": [{**served, "subresources": {"status": {}}}],
        },
    }
