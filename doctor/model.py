"""What is looked at (an inventory of objects) and what is found."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from doctor.dig import dig, labels, parts, text

DEFAULT_NAMESPACE = "default"
ROOT_NAMESPACE = "istio-system"


class Severity(StrEnum):
    """How bad it is: an error bites, a warning may, an information says what could not be known."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Place(StrEnum):
    """Where the objects come from."""

    FILES = "files"
    CLUSTER = "cluster"
    LOCAL = "local"


@dataclass(frozen=True)
class Object:
    """One Kubernetes object, the namespace that it lives in (empty: none), and the file that it is from."""

    body: Mapping[str, Any]
    namespace: str = DEFAULT_NAMESPACE
    source: str = ""

    @cached_property
    def kind(self) -> str:
        """The kind."""
        return text(self.body, "kind")

    @cached_property
    def group(self) -> str:
        """The API group; empty for the core."""
        group, slash, _ = text(self.body, "apiVersion").rpartition("/")
        return group if slash else ""

    @cached_property
    def name(self) -> str:
        """The name."""
        return text(self.body, "metadata", "name") or text(self.body, "metadata", "generateName")

    @cached_property
    def labels(self) -> dict[str, str]:
        """Its own labels."""
        return labels(self.body, "metadata", "labels")

    @cached_property
    def annotations(self) -> dict[str, str]:
        """Its annotations."""
        return labels(self.body, "metadata", "annotations")

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"

    def dig(self, *path: str) -> Any:  # noqa: ANN401 - any JSON
        """Return what lies at ``path``, or None."""
        return dig(self.body, *path)

    def parts(self, *path: str) -> list[Mapping[str, Any]]:
        """Return the list of mappings at ``path``."""
        return parts(self.body, *path)


@dataclass(frozen=True)
class Inventory:
    """All that is known.

    ``namespaces`` were read whole (none: whatever files hold). ``served`` are the (group, kind)s that the
    API server serves, None where no server was asked. ``unread`` says why a kind could not be read.
    ``unserved`` are kinds of the project that the server does not have. ``root`` is Istio's own namespace.
    """

    objects: tuple[Object, ...]
    place: Place = Place.FILES
    namespaces: frozenset[str] = frozenset()
    served: frozenset[tuple[str, str]] | None = None
    unread: Mapping[str, str] = field(default_factory=dict)
    root: str = ROOT_NAMESPACE

    @cached_property
    def _by_kind(self) -> Mapping[str, tuple[Object, ...]]:
        found: dict[str, list[Object]] = {}
        for each in self.objects:
            found.setdefault(each.kind, []).append(each)
        return {kind: tuple(objects) for kind, objects in found.items()}

    def of(self, *kinds: str, group: str | None = None, namespace: str | None = None) -> Iterator[Object]:
        """Yield the objects of these kinds, narrowed to a group or a namespace."""
        for kind in kinds:
            for each in self._by_kind.get(kind, ()):
                if group in (None, each.group) and namespace in (None, each.namespace):
                    yield each

    def find(self, kind: str, namespace: str, name: str, group: str | None = None) -> Object | None:
        """Return an object by name, or None."""
        return next(
            (each for each in self.of(kind, group=group, namespace=namespace) if each.name == name), None
        )

    def sees(self, kind: str, namespace: str | None = None) -> bool:
        """Tell whether the absence of an object of this kind means that there is none.

        A cluster shows all that we may read of the namespaces asked for; files may be a part of the whole,
        so there one object of the kind (in that namespace) is taken as a sign that the others are here.
        """
        if self.place is Place.CLUSTER:
            return kind not in self.unread and (namespace is None or namespace in self.namespaces)
        return any(True for _ in self.of(kind, namespace=namespace))


@dataclass(frozen=True)
class Sighting:
    """What one check saw: the object, the field, the value, and how to mend it.

    ``severity`` None is that of the check.
    """

    object: Object
    field: str
    seen: str
    fix: str
    severity: Severity | None = None


@dataclass(frozen=True)
class Finding:
    """A sighting with what its check knows about such things."""

    code: str
    title: str
    severity: Severity
    object: str
    source: str
    field: str
    seen: str
    why: str
    fix: str

    @property
    def order(self) -> tuple[int, str, str, str]:
        """The worst first, then by code and object."""
        return (self.severity.rank, self.code, self.object, self.field)
