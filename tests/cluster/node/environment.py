"""The environment of a container, and what is filled into its command line."""

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.node.api import Api
from tests.cluster.node.errors import ConfigMissing
from tests.cluster.node.fields import field, resource

Document = Mapping[str, Any]


async def environment(
    container: Document, pod: Document, api: Api, *, allocatable: Document, base: Mapping[str, str]
) -> dict[str, str]:
    """Return what the container finds: ``base``, then envFrom, then env, each over the ones before.

    Raises:
        ConfigMissing: a ConfigMap, Secret, key or field is not there.
    """
    namespace = pod["metadata"]["namespace"]
    found = dict(base)
    for source in container.get("envFrom", ()):
        found |= await _all_of(source, namespace, api)
    for each in container.get("env", ()):
        match each.get("valueFrom"):
            case None:
                found[each["name"]] = expanded(each.get("value", ""), found)
            case {"fieldRef": reference}:
                found[each["name"]] = field(pod, reference["fieldPath"])
            case {"resourceFieldRef": reference}:
                found[each["name"]] = resource(container, reference, allocatable)
            case source:
                value = await _one_of(source, namespace, api)
                if value is not None:
                    found[each["name"]] = value
    return found


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Fill in `$(NAME)`; a name that is unknown stays as it stands, `$$(NAME)` is `$(NAME)`."""

    def fill(found: re.Match[str]) -> str:
        return found[0][1:] if found[0].startswith("$$") else values.get(found[1], found[0])

    return re.sub(r"\$?\$\(([^()]+)\)", fill, text)


def command(container: Document, values: Mapping[str, str], image: Sequence[Sequence[str]]) -> list[str]:
    """Return the words that are run; ``image`` is its entry point and its default arguments."""
    entrypoint, arguments = image
    if "command" in container:
        words = [*container["command"], *container.get("args", ())]
    else:
        words = [*entrypoint, *(container.get("args") or arguments)]
    return [expanded(word, values) for word in words]


def data_of(document: Document) -> dict[str, bytes]:
    """Return the keys of a ConfigMap or Secret."""
    secret = document.get("kind") == "Secret"
    coded = document.get("data" if secret else "binaryData") or {}
    plain = {} if secret else document.get("data") or {}
    return {key: value.encode() for key, value in plain.items()} | {
        key: base64.b64decode(value) for key, value in coded.items()
    }


async def read(kind: str, name: str, namespace: str, api: Api) -> dict[str, bytes] | None:
    """Return the keys of one of the ``kind`` configmaps or secrets, or None if it is not there."""
    found = await api.get(f"/api/v1/namespaces/{namespace}/{kind}/{name}")
    return None if found is None else data_of(found)


async def _all_of(source: Document, namespace: str, api: Api) -> dict[str, str]:
    kind, reference = _reference(source)
    keys = await read(kind, reference["name"], namespace, api)
    if keys is None:
        _missing(reference, f"{kind} {reference['name']} is not there")
    prefix = source.get("prefix", "")
    return {prefix + key: value.decode() for key, value in (keys or {}).items()}


async def _one_of(source: Document, namespace: str, api: Api) -> str | None:
    kind, reference = _reference(source)
    keys = await read(kind, reference["name"], namespace, api) or {}
    if reference["key"] in keys:
        return keys[reference["key"]].decode()
    _missing(reference, f"{kind} {reference['name']} has no key {reference['key']}, or is not there")
    return None


def _reference(source: Document) -> tuple[str, Document]:
    for name, kind in (
        ("configMapKeyRef", "configmaps"),
        ("configMapRef", "configmaps"),
        ("secretKeyRef", "secrets"),
        ("secretRef", "secrets"),
    ):
        if name in source:
            return kind, source[name]
    message = f"the node cannot read {', '.join(source)}"
    raise ConfigMissing(message)


def _missing(reference: Document, message: str) -> None:
    if not reference.get("optional"):
        raise ConfigMissing(message)
