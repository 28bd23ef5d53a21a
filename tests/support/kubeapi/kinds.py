"""What kinds of objects the server knows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubeapi.schema import Schema

Object = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """One kind in all of its versions, which share one storage, as in the real server.

    ``schemas`` maps a version to its schema. ``custom`` kinds come from a CRD: no strategic merge, and
    an update needs a resourceVersion. ``counted`` kinds have a generation.
    """

    group: str
    plural: str
    name: str
    schemas: Mapping[str, Schema]
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    status: bool = False
    scale: bool = False
    custom: bool = False
    counted: bool = False
    blind_update: bool = True
    columns: tuple[Mapping[str, Any], ...] = ()

    @property
    def key(self) -> tuple[str, str]:
        return (self.group, self.plural)

    @property
    def full_name(self) -> str:
        """As it stands in messages: ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def subresources(self) -> tuple[str, ...]:
        return ("status",) * self.status + ("scale",) * self.scale

    def api_version(self, version: str) -> str:
        return f"{self.group}/{version}" if self.group else version


@dataclass
class Registry:
    """The kinds by group and plural, in the order in which they came."""

    kinds: dict[tuple[str, str], Kind] = field(default_factory=dict)

    def add(self, kind: Kind) -> None:
        self.kinds[kind.key] = kind

    def drop(self, kind: Kind) -> None:
        self.kinds.pop(kind.key, None)

    def find(self, group: str, version: str, plural: str) -> Kind | None:
        kind = self.kinds.get((group, plural))
        return kind if kind is not None and version in kind.schemas else None

    def __iter__(self) -> Iterator[Kind]:
        return iter(self.kinds.values())


def from_definition(definition: Mapping[str, Any]) -> Kind:
    """Return the kind that a CustomResourceDefinition defines."""
    spec = definition["spec"]
    served = [version for version in spec["versions"] if version["served"]]
    return Kind(
        group=spec["group"],
        plural=spec["names"]["plural"],
        name=spec["names"]["kind"],
        schemas={version["name"]: version["schema"]["openAPIV3Schema"] for version in served},
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(spec["names"].get("shortNames", ())),
        status=any("status" in version.get("subresources", {}) for version in served),
        custom=True,
        counted=True,
        blind_update=False,
        columns=tuple(served[0].get("additionalPrinterColumns", ())),
    )
