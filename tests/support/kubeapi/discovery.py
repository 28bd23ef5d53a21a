"""What a client asks first: which groups, versions and kinds there are."""

from typing import Any

from tests.support.kubeapi.kinds import Kind, Registry

Document = dict[str, Any]
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0", "platform": "linux/amd64"}


def answer(registry: Registry, parts: tuple[str, ...]) -> Document | None:
    """Return the document at a discovery path, or None if this is none."""
    fixed: dict[tuple[str, ...], Document] = {
        ("version",): dict(VERSION),
        ("api",): {"kind": "APIVersions", "versions": ["v1"]},
        ("apis",): {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(registry)},
    }
    match parts:
        case ("api", "v1"):
            return _resources(registry, "", "v1")
        case ("apis", group):
            return next((found for found in _groups(registry) if found["name"] == group), None)
        case ("apis", group, version):
            return _resources(registry, group, version)
        case _:
            return fixed.get(parts)


def _serves(kind: Kind, group: str, version: str) -> bool:
    return kind.group == group and version in kind.schemas


def _groups(registry: Registry) -> list[Document]:
    versions: dict[str, list[str]] = {}
    for kind in registry:
        if kind.group:
            found = versions.setdefault(kind.group, [])
            found += [version for version in kind.schemas if version not in found]
    return [_group(name, found) for name, found in versions.items()]


def _group(name: str, versions: list[str]) -> Document:
    listed = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {
        "kind": "APIGroup",
        "apiVersion": "v1",
        "name": name,
        "versions": listed,
        "preferredVersion": listed[0],
    }


def _resources(registry: Registry, group: str, version: str) -> Document | None:
    kinds = [kind for kind in registry if _serves(kind, group, version)]
    if not kinds:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{group}/{version}" if group else version,
        "resources": [entry for kind in kinds for entry in _entries(kind)],
    }


def _entries(kind: Kind) -> list[Document]:
    main = {
        "name": kind.plural,
        "singularName": kind.name.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": VERBS,
        "shortNames": list(kind.short_names),
    }
    below = [
        {
            "name": f"{kind.plural}/{name}",
            "singularName": "",
            "namespaced": kind.namespaced,
            "kind": "Scale" if name == "scale" else kind.name,
            "verbs": ["get", "patch", "update"],
        }
        for name in kind.subresources
    ]
    return [main, *below]
