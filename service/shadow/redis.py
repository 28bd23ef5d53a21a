"""Where the two sides of a comparison meet: Redis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from observability.names import SHADOW_WORST_KEY
from service.cache.connections import Word
from service.cache.redis_url import redis_at

KEPT_S: Final = 86400
"""How long the worst disagreements of a canary are kept after the last one."""


@dataclass(frozen=True)
class Example:
    """A disagreement as it is kept: its severity, and a JSON object."""

    severity: float
    document: bytes


class AnswerStore(Protocol):
    """Keeps notes for a short time and a few examples; each call is one round trip, or raises StoreDown."""

    def post(self, notes: Mapping[str, bytes], ttl_s: float) -> None:
        """Leave notes."""

    def take(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return those notes that are there, and take them away."""

    def show(self, canary: str, examples: Sequence[Example], limit: int) -> None:
        """Add to a canary's examples, of which the ``limit`` most severe stay."""


class RedisAnswerStore:
    """A board in Redis; every key has a time to live."""

    def __init__(self, url: str, timeout_s: float) -> None:
        """Make a board; nothing is sent yet, so that Redis need not be there.

        Raises:
            SettingsError: The URL is none that names a Redis.
        """
        self._redis = redis_at(url, timeout_s)

    def post(self, notes: Mapping[str, bytes], ttl_s: float) -> None:
        """Leave notes.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        self._redis.ask(*(("SET", key, note, "PX", round(ttl_s * 1000)) for key, note in notes.items()))

    def take(self, keys: Sequence[str]) -> Sequence[bytes | None]:
        """Return those notes that are there, and take them away.

        Raises:
            StoreDown: Redis failed or did not answer in time.
        """
        return self._redis.ask(*(("GETDEL", key) for key in keys))

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
        self._redis.ask(
            ("ZADD", key, *rows), ("ZREMRANGEBYRANK", key, 0, -limit - 1), ("EXPIRE", key, KEPT_S)
        )

    def close(self) -> None:
        """Hang up; the next call connects again."""
        self._redis.close()
