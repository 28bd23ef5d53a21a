"""What can go wrong at the console; every error carries its HTTP status and a sentence for people."""

from collections.abc import Sequence
from typing import ClassVar

from canary.errors import CanaryError


class ConsoleError(CanaryError):
    """Base of the console's errors."""

    status: ClassVar[int] = 500


class ForeignHost(ConsoleError):
    """The page was asked for under a name that is not its own, as in DNS rebinding."""

    status = 421

    def __init__(self, seen: str, known: Sequence[str]) -> None:
        super().__init__(
            f"this console does not answer to the name {seen!r}; it answers to {', '.join(known)}. "
            "Add a name with --allow-host or BERTMESH_CONSOLE_HOSTS"
        )


class ForeignOrigin(ConsoleError):
    """A command came from another page than this one."""

    status = 403

    def __init__(self) -> None:
        super().__init__(
            "the command did not come from this page, or the page is older than this console: "
            "reload it and try again. Nothing has been changed"
        )


class NoSuchRollout(ConsoleError):
    """A rollout that is not, or no longer, known."""

    status = 404

    def __init__(self, service: str, rollout: str) -> None:
        super().__init__(
            f"there is no rollout {rollout!r} of {service!r} here: it may be too old to be kept. "
            "The start page lists those that are known"
        )


class UnknownVerb(ConsoleError):
    """A command that no button sends."""

    status = 400

    def __init__(self, seen: str) -> None:
        super().__init__(f"there is no command {seen!r}: use pause, resume, promote, abort or undo")


class RolloutMovedOn(ConsoleError):
    """The rollout on the page is no longer the one in progress."""

    status = 409

    def __init__(self, rollout: str) -> None:
        super().__init__(
            f"{rollout} is not in progress any more, so the command was not sent; look at what runs now"
        )


class Refused(ConsoleError):
    """The controller said no."""

    status = 409


class NoAnswer(CanaryError):
    """The way to the controller is blocked."""


class Unanswered(ConsoleError):
    """The controller said nothing."""

    status = 503
