"""Where the two sides of a comparison meet: Redis, through a connection of one thread's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, cast

from observability.names import SHADOW_WORST_KEY
from service.errors import SettingsError, StoreDown
from service.redis_store import URL
from service.resp import Address, Connection, RedisError, Reply, Word

KEPT_S: Final = 86400
"""How long the worst disagreements of a canary are kept after the last one."""


@dataclass(frozen=True)
class Example:
    """A disagreement as it is kept: its severity, and a JSON object."""

    severity: float
    document: bytes


class Board(Protocol):
    """Keeps notes for a short time and a few examples; each call is one round trip, or raises StoreDown."""

    def post(self, notes: Mapping[str, bytes], ttl_s: float) -> None:
        """Leave notes."""
        ...

    def take(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return those notes that are there, and take them away."""
        ...

    def show(self, canary: str, examples: Sequence[Example], limit: int) -> None:
        """Add to a canary's examples, of which the ``limit`` most severe stay."""
        ...


class RedisBoard:
    """A board in Redis; for one thread. Every key has a time to live, every call a timeout."""

    def __init__(self, address: Address, timeout_s: float) -> None:
        self._address = address
        self._timeout_s = timeout_s
        self._connection: Connection | None = None

    @classmethod
    def connect(cls, url: str, timeout_s: float) -> "RedisBoard":
        """Make a board; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        try:
            return cls(Address.parse(url), timeout_s)
        except ValueError as error:
            raise SettingsError(URL, seen=url, needed="redis://host:port/db", do=str(error)) from error

    def post(self, notes: Mapping[str, bytes], ttl_s: float) -> None:
        """Leave notes.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        self._ask(*(("SET", key, note, "PX", round(ttl_s * 1000)) for key, note in notes.items()))

    def take(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return those notes that are there, and take them away.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        return cast("Sequence[bytes | None]", self._ask(*(("GETDEL", key) for key in keys)))

    def show(self, canary: str, examples: Sequence[Example], limit: int) -> None:
        """Add to a canary's examples, of which the ``limit`` most severe stay.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        key = SHADOW_WORST_KEY + canary
        rows: list[Word] = []
        for example in examples:
            rows += [f"{example.severity:.6f}", example.document]
        # Among equals the last by their bytes stay, whatever the order they came in.
        self._ask(("ZADD", key, *rows), ("ZREMRANGEBYRANK", key, 0, -limit - 1), ("EXPIRE", key, KEPT_S))

    def close(self) -> None:
        """Hang up; the next call connects anew."""
        if self._connection:
            self._connection.close()
            self._connection = None

    def _ask(self, *commands: Sequence[Word]) -> list[Reply]:
        try:
            if self._connection is None:
                self._connection = Connection(self._address, self._timeout_s)
            return self._connection.ask(*commands)
        except RedisError as error:
            raise StoreDown(error) from error
        except OSError as error:
            self.close()
            raise StoreDown(error) from error
