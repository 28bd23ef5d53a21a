"""Names of remote files, and what goes wrong on the way to them."""

from pathlib import Path, PurePosixPath

from modelstore.errors import RemoteError


def inside(folder: Path, name: str) -> Path:
    """Return where a remote file goes, with the folders above it made.

    Raises:
        RemoteError: its name would lead out of ``folder``.
    """
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise RemoteError(
            seen=f"a file called {name!r}", needed="a name within the folder", do="ask who wrote it"
        )
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def unreachable(what: str, why: object, do: str) -> RemoteError:
    """Return the error for ``what``, which could not be fetched."""
    lines = str(why).splitlines() or [type(why).__name__]
    return RemoteError(
        seen=f"{what} that could not be fetched ({lines[0][:300]})",
        needed="a model that is there and a way to it",
        do=do,
    )
