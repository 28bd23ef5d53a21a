"""What a container may be told of its pod: fieldRef and resourceFieldRef."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from kubernetes import utils

from tests.cluster.node.errors import ConfigMissing

Document = Mapping[str, Any]

# The package says no types of this.
QUANTITY: Final[Any] = utils.parse_quantity

PLAIN: Final = {
    "metadata.name": ("metadata", "name"),
    "metadata.namespace": ("metadata", "namespace"),
    "metadata.uid": ("metadata", "uid"),
    "spec.nodeName": ("spec", "nodeName"),
    "spec.serviceAccountName": ("spec", "serviceAccountName"),
    "status.hostIP": ("status", "hostIP"),
    "status.podIP": ("status", "podIP"),
}


def field(pod: Document, path: str) -> str:
    """Return a field of the pod as text.

    Raises:
        ConfigMissing: no such field is offered.
    """
    if path in PLAIN:
        section, name = PLAIN[path]
        return str(pod[section].get(name, ""))
    if path in ("status.podIPs", "status.hostIPs"):
        return ",".join(each["ip"] for each in pod["status"].get(path.removeprefix("status."), ()))
    if one := re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path):
        return str(pod["metadata"].get(one[1], {}).get(one[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        entries = pod["metadata"].get(path.removeprefix("metadata."), {})
        return "\n".join(f"{key}={_quoted(value)}" for key, value in sorted(entries.items()))
    message = f"the node cannot tell the field {path}"
    raise ConfigMissing(message)


def resource(container: Document, reference: Document, allocatable: Document) -> str:
    """Return a request or limit in units of the divisor, rounded up; without a limit it is what the node has.

    Raises:
        ConfigMissing: the node does not know such a resource.
    """
    kind, _, name = reference["resource"].partition(".")
    given = (container.get("resources") or {}).get(kind) or {}
    amount = given.get(name, allocatable.get(name) if kind == "limits" else "0")
    if amount is None:
        message = f"the node cannot tell the resource {reference['resource']}"
        raise ConfigMissing(message)
    divisor = QUANTITY(reference.get("divisor") or "1") or 1
    return str(math.ceil(QUANTITY(amount) / divisor))


def _quoted(text: str) -> str:
    """Write a text as Go's %q does, as far as labels and annotations need it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'
