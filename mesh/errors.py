"""What can go wrong with traffic: each error says what was seen, what was needed and what to do."""

from collections.abc import Sequence
from pathlib import Path


class MeshError(Exception):
    """Base of every error of this package."""


class InvalidMesh(MeshError, ValueError):
    """A mesh, a split or a version that cannot be routed to."""


class RouterError(MeshError):
    """A split could not be proved to be live; the last good one keeps serving."""


class RoutesRejected(RouterError):
    """Envoy read the routes and refused them."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"Envoy refused the new routes; the last good ones keep serving and were put back: {reason}"
        )


class RoutesNotLive(RouterError):
    """Envoy did not take the routes in time."""

    def __init__(self, wanted: str, live: str, waited_s: float) -> None:
        super().__init__(
            f"Envoy serves routes {live or '(none)'} and not {wanted} after {waited_s:.1f} s: "
            "the file is written; see Envoy's log, or apply the same split again"
        )


class ClustersMissing(RouterError):
    """The routes would name versions that Envoy does not know yet."""

    def __init__(self, missing: Sequence[str], waited_s: float) -> None:
        super().__init__(
            f"Envoy knows no cluster for version {', '.join(missing)} after {waited_s:.1f} s: "
            "write its endpoints and the clusters first, then route to it"
        )


class EnvoyDown(RouterError):
    """Envoy's admin port does not answer."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"Envoy's admin port at {url} does not answer ({why}): see `bertmesh status`")


class NoHealthyPod(RouterError):
    """The canary would get traffic, and Envoy has nobody there to send it to."""

    def __init__(self, version: str, total: int, waited_s: float) -> None:
        super().__init__(
            f"none of the {total} pods of version {version} passes Envoy's health checks "
            f"after {waited_s:.1f} s: no weight was moved; see `bertmesh status` and the pods' logs"
        )


class RoutesBusy(RouterError):
    """Somebody else is applying routes, and takes too long."""

    def __init__(self, waited_s: float) -> None:
        super().__init__(
            f"another process has been applying routes for {waited_s:.1f} s: nothing was changed, try again"
        )


class UnreadableRoutes(RouterError):
    """The route file is not what this package writes."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} holds no split ({why}): apply a split and it is written again")


class BinaryMissing(MeshError):
    """A program that the local mesh runs is not on this machine."""

    def __init__(self, *, name: str, do: str) -> None:
        super().__init__(f"{name} was not found: {do}")
