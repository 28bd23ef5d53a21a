"""Reads the worst disagreements of a canary, which the pods keep in Redis."""

import json
from dataclasses import dataclass, fields
from typing import Final, Self

import redis

from canary.errors import ShadowUnreadable
from observability.names import SHADOW_WORST_KEY

LIMIT: Final = 20
"""As many as the pods keep of each canary."""
TIMEOUT_S: Final = 1.0


@dataclass(frozen=True)
class Disagreement:
    """A question that both versions answered, and how differently.

    ``at`` is Unix seconds. ``severity`` runs from 0 to 1. ``about`` says how long the text is and gives its
    digest; ``text`` is "" unless the pods are told to keep texts. ``trace_id`` is "" for a request without a
    trace. ``canary_answer`` is "" if the canary failed.
    """

    at: float
    canary: str
    stable: str
    task: str
    severity: float
    request_id: str
    trace_id: str
    pod: str
    text: str
    about: str
    stable_answer: str
    canary_answer: str
    sentence: str

    @classmethod
    def read(cls, document: bytes) -> Self | None:
        """Return what a pod wrote; None if another release wrote something else."""
        try:
            row = json.loads(document)
            return cls(**{field.name: row[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None


def worst(redis_url: str, canary: str, *, limit: int = LIMIT) -> tuple[Disagreement, ...]:
    """Return the disagreements of a canary that are kept, the most severe first.

    Raises:
        ShadowUnreadable: Redis does not answer.
    """
    try:
        with redis.Redis.from_url(
            redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as client:
            rows = client.zrange(SHADOW_WORST_KEY + canary, 0, limit - 1, desc=True)
    except (redis.RedisError, OSError, ValueError) as error:
        raise ShadowUnreadable(error) from error
    return tuple(found for row in rows if (found := Disagreement.read(row)) is not None)
