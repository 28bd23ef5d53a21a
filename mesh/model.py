"""The intermediate representation: versions, weights and, from `mesh.policy`, what holds for all of them.

Everything that is rendered, for Istio as for Envoy, is rendered from these values.
"""

import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Self

from mesh.errors import InvalidMesh
from mesh.policy import MAX_PERCENT, Policy
from mesh.ports import Ports

DOMAIN = "cluster.local"
"""The domain of a cluster that was given no other."""
SERVICE = "bert"
NAMESPACE = "default"
# A label value and, behind "bert-", the name of a Deployment: a DNS subdomain of at most 63 characters.
VERSION_NAME = re.compile(r"(?=.{1,58}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")


def check_version_name(name: str) -> str:
    """Return ``name`` if Kubernetes takes it as a version's name.

    Raises:
        InvalidMesh: it cannot.
    """
    if not VERSION_NAME.fullmatch(name):
        message = (
            f"version {name!r} cannot be a Kubernetes name: use 1-58 of a-z, 0-9, '-' and '.', "
            "with a letter or digit at both ends and beside each dot"
        )
        raise InvalidMesh(message)
    return name


@dataclass(frozen=True)
class Weights:
    """How many per cent of the requests go to the canary; the rest goes to the stable."""

    canary: int

    def __post_init__(self) -> None:
        if not 0 <= self.canary <= MAX_PERCENT:
            message = f"canary weight is a percentage from 0 to 100, got {self.canary}"
            raise InvalidMesh(message)

    @property
    def stable(self) -> int:
        """Per cent of the requests that stay with the stable version."""
        return MAX_PERCENT - self.canary


@dataclass(frozen=True)
class Split:
    """Who gets which share: a stable version, and perhaps a canary.

    ``mirror`` is how many per cent of the stable's requests are copied to the canary as shadow traffic.

    Raises:
        InvalidMesh: the values do not go together.
    """

    stable: str
    canary: str | None = None
    weights: Weights = Weights(0)
    mirror: int = 0

    def __post_init__(self) -> None:
        check_version_name(self.stable)
        if self.canary is not None:
            check_version_name(self.canary)
        problem = self._problem()
        if problem is not None:
            raise InvalidMesh(problem)

    def _problem(self) -> str | None:
        if self.canary is None and (self.weights.canary or self.mirror):
            return f"weight {self.weights.canary} and mirror {self.mirror} need a canary version"
        if self.canary == self.stable:
            return f"stable and canary are both {self.stable!r}: name two versions"
        if not 0 <= self.mirror <= MAX_PERCENT:
            return f"mirror is a percentage from 0 to 100, got {self.mirror}"
        if self.mirror and not self.weights.stable:
            return f"mirror {self.mirror} copies the stable's requests, and weight 100 leaves it none"
        return None

    def at(self, canary_weight: int) -> Self:
        """Return the same split with another canary weight."""
        return replace(self, weights=Weights(canary_weight))

    @property
    def shares(self) -> tuple[tuple[str, int], ...]:
        """The versions behind the route with their per cent, which add up to 100; the stable comes first."""
        if self.canary is None:
            return ((self.stable, MAX_PERCENT),)
        return ((self.stable, self.weights.stable), (self.canary, self.weights.canary))

    @property
    def text(self) -> str:
        """The split as a proxy names it: ``1.0=80,1.1=20``, and with copies ``1.0=80,1.1=20;mirror=10``."""
        shares = ",".join(f"{version}={weight}" for version, weight in self.shares)
        return f"{shares};mirror={self.mirror}" if self.mirror else shares

    @property
    def shadowed(self) -> str | None:
        """The version that copies go to, if any do."""
        return self.canary if self.mirror else None


@dataclass(frozen=True)
class Endpoint:
    """One pod's address."""

    pod: str
    host: str
    port: int


@dataclass(frozen=True)
class Version:
    """A model version and, in the local home, the pods that serve it."""

    name: str
    endpoints: tuple[Endpoint, ...] = ()

    def __post_init__(self) -> None:
        check_version_name(self.name)

    @property
    def subset(self) -> str:
        """The name of its DestinationRule subset: Istio's webhook takes DNS labels only, so no dots."""
        return subset_name(self.name)


def full_name(service: str, namespace: str, domain: str = DOMAIN) -> str:
    """Return a Service's fully qualified name, by which metrics and routes know it."""
    return f"{service}.{namespace}.svc.{domain}"


def subset_name(version: str) -> str:
    """Return ``version`` as a DNS label: ``1.1-reviews`` is ``v1-1-reviews``."""
    return "v" + version.replace(".", "-")


@dataclass(frozen=True)
class Mesh:
    """All that a renderer needs to know."""

    service: str
    namespace: str
    versions: tuple[Version, ...]
    split: Split
    policy: Policy = field(default_factory=Policy)
    hosts: tuple[str, ...] = ("*",)
    gateway: str = "bertmesh"
    ports: Ports = field(default_factory=Ports)
    domain: str = DOMAIN

    def __post_init__(self) -> None:
        known = self.names
        for wanted, _ in self.split.shares:
            if wanted not in known:
                message = f"the split names version {wanted}; the versions that exist are {', '.join(known)}"
                raise InvalidMesh(message)
        for subset, count in Counter(version.subset for version in self.versions).items():
            if count > 1:
                message = f"{count} of the versions {', '.join(known)} share the subset name {subset}: rename"
                raise InvalidMesh(message)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the versions that exist, in their order."""
        return tuple(version.name for version in self.versions)

    @property
    def host(self) -> str:
        """The Service's fully qualified name."""
        return full_name(self.service, self.namespace, self.domain)


def local_mesh(versions: tuple[Version, ...], split: Split, policy: Policy | None = None) -> Mesh:
    """Return the mesh of the local home, whose service has the name that the metrics are read by."""
    return Mesh(SERVICE, NAMESPACE, versions, split, policy or Policy())
