"""What is said where an engine needs torch and it is not installed."""

from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import UnsupportedModel


@contextmanager
def needing_torch(what: str) -> Iterator[None]:
    """Name the extra that brings torch, should an import in the block miss it.

    Raises:
        UnsupportedModel: It is missing.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise UnsupportedModel(
            seen=f"no torch, and {what} needs it",
            needed="torch",
            do="install bertmesh[torch], or leave the choice of the engine to auto",
        ) from error
