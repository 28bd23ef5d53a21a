"""Why something of a pod is not there; the reason and the text stand in the pod's status."""


class Waiting(Exception):
    """A container cannot be started now; the next try may find what is missing.

    ``reason`` is one word, as the kubelet has it.
    """

    def __init__(self, reason: str, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class ConfigMissing(Waiting):
    """Something that the container's configuration names is not there."""

    def __init__(self, message: str) -> None:
        super().__init__("CreateContainerConfigError", message)


class MountFailed(Waiting):
    """A volume is not there, or of a kind that this node does not have."""

    def __init__(self, message: str) -> None:
        super().__init__("ContainerCreating", message)


class ImageUnknown(Waiting):
    """The node has nothing in place of an image."""

    def __init__(self, image: str, known: list[str]) -> None:
        super().__init__("ErrImagePull", f"no image {image} here; this node knows {', '.join(sorted(known))}")


class StartFailed(Waiting):
    """The container's process could not be started."""

    def __init__(self, message: str) -> None:
        super().__init__("RunContainerError", message)


class CommandFailed(Exception):
    """A tool of the system, `ip` say, said no."""

    def __init__(self, words: tuple[str, ...], said: str) -> None:
        super().__init__(f"`{' '.join(words)}` failed: {said.strip()}")
