"""Why the doctor could not look: each says what was seen, what was needed and what to do."""

from collections.abc import Sequence


class DoctorError(Exception):
    """Base of every error of this package."""


class NothingToRead(DoctorError):
    """No Kubernetes object was found where one was looked for."""

    def __init__(self, where: str) -> None:
        super().__init__(
            f"there is no Kubernetes object in {where}: give rendered YAML "
            "(`helm template NAME CHART | bertmesh doctor -`), a folder with such files, or -n for a cluster"
        )


class NotRendered(DoctorError):
    """A chart's source was given in place of what it renders."""

    def __init__(self, folder: str) -> None:
        super().__init__(
            f"{folder} is a chart and has to be rendered first: "
            f"helm template NAME {folder} --namespace NS | bertmesh doctor -n NS -"
        )


class Unreadable(DoctorError):
    """A file that cannot be read, or is no YAML."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} cannot be read ({why}): correct it, or leave it out")


class NothingAllowed(DoctorError):
    """The cluster lets us see nothing."""

    def __init__(self, url: str, reasons: Sequence[str]) -> None:
        super().__init__(
            f"the Kubernetes API at {url} showed no objects ({'; '.join(sorted(set(reasons))[:3])}): "
            "use a context that may list Services and Deployments in the namespace"
        )


class UnknownCode(DoctorError):
    """A code to ignore that no check has."""

    def __init__(self, code: str) -> None:
        super().__init__(f"no check has the code {code!r}: docs/doctor.md lists them, BM101 is one")
