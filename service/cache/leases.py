"""Single flight across processes: a short lease in the store on each answer that is being computed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from service.cache.store import Claim
from service.tasks.base import Answer, unpacked

Compute = Callable[[Sequence[str], float], Mapping[str, Answer]]
"""Computes the answers to keys within a number of seconds."""


class Shelf(Protocol):
    """Where answers and leases lie; it never raises."""

    def claim(self, keys: Sequence[str], lease_s: float) -> Sequence[Claim] | None:
        """Lease those keys that nobody else has leased, then read them all; None if it is away."""
        ...

    def keep(self, answers: Mapping[str, Answer], released: Sequence[str]) -> None:
        """Keep answers, then give leases back."""
        ...


@dataclass(frozen=True)
class Patience:
    """How pods wait for one another, in seconds.

    A pod that leased a key is given ``lease_s`` to compute it. The others look again and again, first
    after ``pause_s``, at last every ``longest_pause_s``; then they compute it too.
    """

    lease_s: float = 1.0
    pause_s: float = 0.002
    longest_pause_s: float = 0.02


class Leases:
    """Computes what no other pod computes, and waits a while for what others do."""

    def __init__(
        self,
        shelf: Shelf,
        patience: Patience,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._shelf = shelf
        self._patience = patience
        self._clock = clock
        self._sleep = sleep

    def share(
        self, kind: type[Answer], keys: Sequence[str], compute: Compute, timeout_s: float
    ) -> Mapping[str, Answer]:
        """Return the answers to keys, computed here or found; whatever ``compute`` raises is raised."""
        started, pause_s = self._clock(), self._patience.pause_s
        known: dict[str, Answer] = {}
        while wanted := [key for key in keys if key not in known]:
            waited_s = self._clock() - started
            leased, found = self._claim(kind, wanted)
            known |= found
            alone = leased is None or waited_s >= min(self._patience.lease_s, timeout_s / 2)
            mine = [key for key in (wanted if alone else leased or ()) if key not in known]
            if mine:
                known |= self._computed(mine, leased, compute, timeout_s - waited_s)
            elif len(known) < len(keys):
                self._sleep(pause_s)
                pause_s = min(pause_s * 2, self._patience.longest_pause_s)
        return known

    def _claim(self, kind: type[Answer], keys: Sequence[str]) -> tuple[list[str] | None, dict[str, Answer]]:
        """Return which keys are leased to us, None if the store is away, and which answers there are."""
        claims = self._shelf.claim(keys, self._patience.lease_s)
        if claims is None:
            return None, {}
        read = {key: unpacked(kind, claim.content) for key, claim in zip(keys, claims, strict=True)}
        found = {key: answer for key, answer in read.items() if answer is not None}
        leased = [key for key, claim in zip(keys, claims, strict=True) if claim.leased]
        if done := [key for key in leased if key in found]:
            self._shelf.keep({}, done)
        return [key for key in leased if key not in found], found

    def _computed(
        self, keys: Sequence[str], leased: list[str] | None, compute: Compute, timeout_s: float
    ) -> Mapping[str, Answer]:
        started = self._clock()
        fresh: Mapping[str, Answer] = {}
        try:
            fresh = compute(keys, timeout_s)
        finally:
            if leased is not None:
                # Once it is over, a lease may be somebody else's.
                ours = self._clock() - started < self._patience.lease_s
                self._shelf.keep(fresh, leased if ours else ())
        return fresh
