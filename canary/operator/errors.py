"""What can go wrong in the operator."""

from canary.errors import CanaryError


class Deposed(CanaryError):
    """A write was about to happen, and another replica may be the leader by now."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was not sent: this replica does not hold the Lease any more; the new leader goes on "
            "from the stored state"
        )


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


class OperatorFailed(CanaryError):
    """The watch itself ended, which no retry of ours mends."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"the operator cannot watch ModelRollouts ({why}): check its Role (deploy/rbac) and the API "
            "server; it ends, so that it is started anew"
        )


class BadSettings(CanaryError):
    """A setting that cannot be used."""
