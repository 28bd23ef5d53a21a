"""What the proxies' counts say of a split: for it, against it, or nothing yet. No I/O.

Since a split was written the requests that the proxies sent to each version are counted again. While the
canary keeps a share, the counts speak for the new share when they are 20 times likelier under it than under
the former one, and against it when it is the other way round and the former share explains them. Where a
version has no share any more, they speak for it when hardly any request goes there: when they are 20 times
likelier with one of a thousand, which pins may be, than with one of a hundred.
"""

import math
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from canary.measure.counters import CounterSnapshot, Cursor, Kind, growth
from canary.measure.counts import MAX_PERCENT
from mesh.model import Split

LIKELIER: Final = math.log(20.0)
LEAST: Final = 0.001
"""The least share that is reckoned with: a request with a version pin may come at any weight."""
STILL: Final = 0.01
"""A share from which on requests are said to go to a version still."""
SENT: Final = frozenset({Kind.ROUTED, Kind.UNREACHED, Kind.GIVEN_UP})


class Counted(Enum):
    """What the counts say."""

    FOR = auto()
    AGAINST = auto()
    LITTLE = auto()
    """Too little, or what neither share explains."""


@dataclass
class Trial:
    """The counting since a split was written.

    ``other`` is the version beside the stable one, now or before, ``before`` its former share. ``since`` is
    when the split was written (Unix seconds), None as long as it is not. ``agreed_at`` is since when all
    proxies that can be asked hold it. ``against`` says that the counts spoke against it and have not yet said
    anything else.
    """

    split: Split
    other: str
    before: float
    since: float | None = None
    agreed_at: float | None = None
    start: CounterSnapshot | None = None
    against: bool = False
    heard: bool = False

    @property
    def share(self) -> float:
        """The canary's share."""
        return self.split.weights.canary / MAX_PERCENT

    @property
    def leaves(self) -> str:
        """The version that had requests and shall have none any more, "" if there is none."""
        return "" if self.other in ("", self.split.canary) else self.other

    @property
    def telling(self) -> bool:
        """Whether counts can tell it: not where nobody's share changes, and nobody leaves."""
        return bool(self.share or self.leaves)

    def begin(self, now: float) -> None:
        """Count again: the split was written just now."""
        self.since, self.agreed_at, self.start = now, None, None
        self.against = self.heard = False

    def waited(self, now: float) -> float:
        """Return the seconds since the split was written."""
        return 0.0 if self.since is None else now - self.since

    def weigh(self, seen: CounterSnapshot, quiet_s: float) -> Counted:
        """Return what the counts since the beginning of the window say; those against it begin a new one.

        Words against it stand until the counts show no request to the other version, or nothing against it,
        for ``quiet_s`` seconds.
        """
        if self.start is None:
            self.start = seen
            return Counted.LITTLE
        stable, other = (_sent(self.start, seen, side) for side in (self.split.stable, self.other))
        self.heard = other > 0
        said = self._said(stable, other)
        if said is Counted.AGAINST:
            self.start, self.against = seen, True
        elif said is Counted.FOR or self._calm(seen, quiet_s):
            self.against = False
        return said

    def _said(self, stable: int, other: int) -> Counted:
        if not self.share:
            weighed = _likelihood(stable, other, LEAST) - _likelihood(stable, other, STILL)
            left = False
        else:
            weighed = _likelihood(stable, other, self.share) - _likelihood(stable, other, self.before)
            seen = other / max(1, stable + other)
            left = _likelihood(stable, other, seen) - _likelihood(stable, other, self.before) >= LIKELIER
        if weighed >= LIKELIER:
            return Counted.FOR
        return Counted.AGAINST if weighed <= -LIKELIER and not left else Counted.LITTLE

    def _calm(self, seen: CounterSnapshot, quiet_s: float) -> bool:
        """Tell whether there were samples for long enough, and nothing in them against the split."""
        return self.start is not None and _newest(seen) - _newest(self.start) >= quiet_s


def _newest(snapshot: CounterSnapshot) -> float:
    """Return when the newest sample of the proxies that send requests was taken; 0 without any."""
    return max((series.at for series in snapshot.series if series.kind in SENT), default=0.0)


def _sent(start: CounterSnapshot, now: CounterSnapshot, version: str) -> int:
    """Return how many requests the proxies have sent to a version since ``start``."""
    return sum(
        count
        for (owner, _), kinds in growth(Cursor.at_snapshot(start), now).items()
        for (kind, _), count in kinds.items()
        if owner == version and kind in SENT
    )


def _likelihood(stable: int, other: int, share: float) -> float:
    """Return ln of the likelihood of the counts if the other version has that share."""
    known = min(max(share, LEAST), 1 - LEAST)
    return other * math.log(known) + stable * math.log(1 - known)
