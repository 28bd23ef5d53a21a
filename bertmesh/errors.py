"""Errors of the command line and the local mesh: each says what was seen, what was needed, what to do."""

from pathlib import Path


class BertmeshError(Exception):
    """Base of all errors that a user of the command line may see, without a traceback."""


class MeshRunning(BertmeshError):
    """A second ``up`` on one home."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"a mesh already runs in {home}: `bertmesh status` shows it, `bertmesh down` ends it, "
            "or use another folder with --home"
        )


class MeshNotRunning(BertmeshError):
    """A command that needs a running mesh found none."""

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"no mesh runs in {home}: start one with `bertmesh up`, or name its folder with --home"
        )


class PortTaken(BertmeshError):
    """The port that was asked for belongs to somebody else."""

    def __init__(self, port: int, holder: str) -> None:
        super().__init__(f"port {port} is taken by {holder}: stop that, or choose another with --port")


class StartFailed(BertmeshError):
    """A part of the mesh did not become ready."""

    def __init__(self, part: str, why: str, log: Path) -> None:
        super().__init__(f"{part} did not start: {why} (its log: {log})")


class DetachedStartFailed(BertmeshError):
    """A mesh in the background did not become ready."""

    def __init__(self, last_words: str, log: Path) -> None:
        super().__init__(f"the mesh did not start: {last_words} (its log: {log})")


class UnknownVersion(BertmeshError):
    """A version that neither the model store nor the home knows."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(
            f"there is no version {name!r} here; known: {', '.join(sorted(known)) or 'none'}. "
            "Add one with `bertmesh models add NAME --model REF`"
        )


class CorruptState(BertmeshError):
    """A state file that cannot be read."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} cannot be read ({why}): move it away and run `bertmesh up` again")


class ActStuck(BertmeshError):
    """An act of the demo did not come to its end."""

    def __init__(self, title: str, limit_s: float, log: str) -> None:
        super().__init__(f"{title}: no end after {limit_s:.0f} s (the controller's log: {log})")


class ControllerSilent(BertmeshError):
    """The controller has stored nothing yet."""

    def __init__(self, log: str) -> None:
        super().__init__(f"the controller has not stored its state (its log: {log})")


class RolloutRefused(BertmeshError):
    """The controller refused a command; its words say why."""


class UnknownPod(BertmeshError):
    """A pod that the running mesh does not have."""

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"the mesh has no pod {name!r}; its pods: {', '.join(known) or 'none yet'}")


class UnnamedVersion(BertmeshError):
    """A reference that does not name a version of the models folder."""

    def __init__(self, ref: str) -> None:
        super().__init__(
            f"{ref!r} names no version; name:version needed, as `bertmesh models list` shows them"
        )


class PodAway(BertmeshError):
    """A pod that does not answer as a pod does."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"no pod answers at {url} ({why}): check the address, or see `bertmesh status`")


class PodRefused(BertmeshError):
    """A pod that does not do as it is told; its words say why."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(f"the pod at {url} refuses: {why}")


class CannotConvert(BertmeshError):
    """A model that could not be converted for a faster engine."""

    def __init__(self, name: str, version: str, why: str) -> None:
        super().__init__(f"{name}:{version} cannot be converted: {why}")
