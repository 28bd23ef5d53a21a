"""What can go wrong with routes on a cluster."""

from collections.abc import Sequence

from mesh.errors import RouterError


class ClusterError(RouterError):
    """The routes on the cluster could not be read or written; what was there keeps serving."""


class ApiDown(ClusterError):
    """The Kubernetes API does not answer, or says that it cannot now."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"the Kubernetes API at {url} does not answer ({why}): traffic stays as it is until it is back"
        )


class WebhookAway(ApiDown):
    """The API answers, and cannot write since somebody whom it has to ask does not."""

    def __init__(self, url: str, why: str) -> None:
        ClusterError.__init__(
            self,
            f"the Kubernetes API at {url} takes no write, for a webhook of it does not answer ({why}): see "
            "that istiod, or whose it is, runs; traffic stays as it is until then",
        )


class NoCluster(ClusterError):
    """Nothing says where the cluster is."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no cluster to talk to ({why}): set KUBECONFIG, or name a --context that it has")


class ApiRefused(ClusterError):
    """The API took the request and said no."""

    def __init__(self, what: str, code: int, reason: str, do: str) -> None:
        self.code = code
        super().__init__(f"the Kubernetes API refused to {what} ({code}: {reason}): {do}")


class KindMissing(ClusterError):
    """The cluster does not know a kind."""

    def __init__(self, kind: str, api_version: str) -> None:
        super().__init__(
            f"the cluster has no kind {kind} of {api_version}: install its definitions (Istio's or the "
            "Gateway API's), or choose another routing.style"
        )


class NotOurs(ClusterError):
    """An object that somebody else made."""

    def __init__(self, what: str, owners: Sequence[str]) -> None:
        super().__init__(
            f"{what} belongs to {' and '.join(owners)}: delete it, rename the Service, or set "
            "spec.routing.adopt to true, which replaces its routes to this Service and keeps the others"
        )


class TooManyConflicts(ClusterError):
    """Somebody writes the object faster than we can."""

    def __init__(self, what: str, tries: int, writers: Sequence[str]) -> None:
        super().__init__(
            f"{what} changed under our hands {tries} times; its writers are {', '.join(writers)}: "
            "let only one of them write it"
        )


class UnreadableRoute(ClusterError):
    """A route that holds no split that could be named."""

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what} holds no split ({why}): the next application writes it again")
