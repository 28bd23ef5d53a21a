"""What can go wrong between a person and the operator of a cluster."""

from collections.abc import Sequence

from canary.errors import CanaryError


class NoModelRollouts(CanaryError):
    """A cluster that does not know the kind."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"{where} has no kind ModelRollout: install the chart, or apply deploy/crd/modelrollouts.yaml"
        )


class NoNamespace(CanaryError):
    """A namespace that is not there."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"there is no namespace {name!r} in {where}: name another with --namespace")


class NoSuchModelRollout(CanaryError):
    """A name that nothing has."""

    def __init__(self, name: str, namespace: str, known: Sequence[str]) -> None:
        super().__init__(
            f"there is no ModelRollout {name!r} in namespace {namespace}; it has: {_listed(known)}"
        )


class WhichModelRollout(CanaryError):
    """No name where there is not exactly one."""

    def __init__(self, namespace: str, known: Sequence[str]) -> None:
        do = (
            "name one of them"
            if known
            else "begin with `bertmesh rollout start CANARY --service NAME --stable V`"
        )
        super().__init__(f"namespace {namespace} has {len(known)} ModelRollouts ({_listed(known)}): {do}")


class OperatorSilent(CanaryError):
    """Nobody answered an order."""

    def __init__(self, name: str, waited_s: float, fate: str) -> None:
        super().__init__(
            f"no operator answered for ModelRollout {name} within {waited_s:g} s ({fate}): see that the "
            "deployment of `bertmesh operator` runs, and that it watches this namespace"
        )


class NotUsable(CanaryError):
    """A resource on which the operator does nothing, not even obey."""

    def __init__(self, name: str, problem: str, fate: str) -> None:
        super().__init__(f"nobody answers for ModelRollout {name}, which is not ready: {problem} ({fate})")


class OperatorGone(CanaryError):
    """A rollout under way that nobody works on."""

    def __init__(self, name: str, silent_s: float) -> None:
        super().__init__(
            f"the operator has written nothing about ModelRollout {name} for {silent_s:.0f} s: see that the "
            "deployment of `bertmesh operator` runs; when it is back, the rollout goes on where it was"
        )


class OrderPending(CanaryError):
    """Another order waits for its answer."""

    def __init__(self, name: str, seen: str) -> None:
        super().__init__(
            f"ModelRollout {name} has an order that waits for its answer ({seen}): try again, or abort, "
            "which comes before all others"
        )


class OrderOvertaken(CanaryError):
    """Somebody took our order away before it was obeyed."""

    def __init__(self, name: str, verb: str, seen: str) -> None:
        super().__init__(
            f"the order to {verb} ModelRollout {name} was taken away before it was obeyed; it has now: "
            f"{seen or 'none'}"
        )


class Contended(CanaryError):
    """A resource that changes faster than we can write."""

    def __init__(self, name: str) -> None:
        super().__init__(f"ModelRollout {name} changes too fast to be written: try again")


class Suspended(CanaryError):
    """A start while the spec says to stand still."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"spec.suspend of ModelRollout {name} is true, so nothing begins: `bertmesh rollout resume` first"
        )


def _listed(known: Sequence[str]) -> str:
    return ", ".join(known) or "none"


class StatusConflict(CanaryError):
    """Somebody else wrote the resource since it was read; nothing of ours was stored."""

    def __init__(self, name: str) -> None:
        super().__init__(f"ModelRollout {name} changed while it was worked on: it is read again")


class StateTooLarge(CanaryError):
    """A state that no API server would store."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the judge's state has {size} bytes and {limit} are stored at most: too many pods are counted "
            "one by one; scale the versions down or split the Service"
        )


class Unreachable(CanaryError):
    """The API is away, so that nothing is known: the pass ends, and nothing is concluded from it."""
