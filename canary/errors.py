"""What can go wrong in the controller; every message says what was seen, what was needed, what to do."""

from collections.abc import Sequence
from pathlib import Path


class CanaryError(Exception):
    """Base of all errors of this package."""


class MetricsDown(CanaryError):
    """The metrics system did not answer, which is neither good nor bad news about the canary."""

    def __init__(self, where: str, seen: str) -> None:
        super().__init__(
            f"no metrics from {where}: {seen}; evidence needs Prometheus, so look at its log or restart it"
        )
        self.seen = seen


class StoreCorrupt(CanaryError):
    """The state file cannot be read."""

    def __init__(self, path: Path, kept: Path, seen: str) -> None:
        super().__init__(
            f"{path} does not hold a rollout state ({seen}); a copy is kept as {kept}: put back a good "
            f"state file, or remove {path} to go on from the split that the gateway has now"
        )


class UnknownVersion(CanaryError):
    """A version that nobody can start."""

    def __init__(self, seen: str, known: Sequence[str]) -> None:
        names = ", ".join(sorted(known)) or "none"
        super().__init__(f"there is no version {seen!r}; versions that exist: {names}")


class RolloutInProgress(CanaryError):
    """Only one rollout at a time."""

    def __init__(self, canary: str, phase: str) -> None:
        super().__init__(
            f"a rollout of {canary!r} is in progress ({phase}): wait for it, or end it with "
            "`bertmesh rollout abort`"
        )


class NoRollout(CanaryError):
    """A command that needs a rollout came when there was none."""

    def __init__(self, verb: str) -> None:
        super().__init__(
            f"nothing to {verb}: no rollout is in progress; begin one with `bertmesh rollout start CANARY`"
        )


class NothingToUndo(CanaryError):
    """An undo where no version was stable before."""

    def __init__(self, stable: str) -> None:
        super().__init__(
            f"nothing to undo: {stable!r} is stable, and nothing was promoted before it here; to replace it, "
            "begin a rollout of another version with `bertmesh rollout start CANARY`"
        )


class BadCommand(CanaryError):
    """A command that does not fit the rollout as it stands."""


class UnknownProfile(CanaryError):
    """A policy profile that does not exist."""

    def __init__(self, seen: str, known: Sequence[str]) -> None:
        super().__init__(f"there is no profile {seen!r}; profiles that exist: {', '.join(known)}")


class BadSteps(CanaryError):
    """Weights that make no rollout."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"steps {seen!r} are not usable: give rising percentages from 1 to 99, such as 5,20,50 "
            "(100 follows by itself)"
        )


class BadSpan(CanaryError):
    """A time from which and to which nothing can be read."""

    def __init__(self, seconds: float, most: float) -> None:
        super().__init__(
            f"from --from to --to it is {seconds:g} s: give times at most {most:g} s apart, --from first"
        )


class BadPolicy(CanaryError):
    """A policy file that is none."""

    def __init__(self, path: Path, seen: str) -> None:
        super().__init__(
            f"{path} holds no policy ({seen}): write YAML like `profile: default`, as in spec.policy of a "
            "ModelRollout"
        )


class NoController(CanaryError):
    """Nobody answered a command."""

    def __init__(self, folder: Path, waited_s: float, *, claimed: bool = False) -> None:
        fate = "it was begun and may still take effect" if claimed else "the command was taken back"
        super().__init__(
            f"no controller answered in {folder} within {waited_s:g} s ({fate}): see `bertmesh status`, "
            "and start the mesh with `bertmesh up` if it is down"
        )


class ControllerGone(CanaryError):
    """The controller died while somebody waited for its rollout."""

    def __init__(self, folder: Path, seconds: float) -> None:
        super().__init__(
            f"the controller of {folder} has given no sign of life for {seconds:.0f} s: see "
            "`bertmesh status`; when it is back, the rollout goes on where it was"
        )


class WaitedTooLong(CanaryError):
    """A rollout took longer than somebody was willing to wait."""

    def __init__(self, seconds: float, phase: str) -> None:
        super().__init__(
            f"the rollout is {phase} after {seconds:g} s and goes on without you: "
            "`bertmesh rollout watch` shows it, `bertmesh rollout abort` ends it"
        )


class ShadowUnreadable(CanaryError):
    """The disagreements cannot be read."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"the worst disagreements lie in Redis, which cannot be read ({type(cause).__name__}: {cause}): "
            "see that it runs; rollouts do not depend on them"
        )
