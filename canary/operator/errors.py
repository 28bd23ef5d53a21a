"""What can go wrong in the operator."""

from canary.errors import CanaryError


class Deposed(CanaryError):
    """A write was about to happen, and another replica may be the leader by now."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} was not sent: this replica does not hold the Lease any more; the new leader goes on "
            "from the stored state"
        )


class OperatorFailed(CanaryError):
    """The watch itself ended, which no retry of ours mends."""

    def __init__(self, why: str, *, of_api: bool) -> None:
        advice = (
            "check its Role (deploy/rbac) and the API server" if of_api else "this is a mistake in bertmesh"
        )
        super().__init__(
            f"the operator cannot watch ModelRollouts ({why}): {advice}; it ends, so that it is started again"
        )


class BadSettings(CanaryError):
    """A setting that cannot be used."""
