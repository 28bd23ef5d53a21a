"""What the demo measured, computed from the answers and the moves; no I/O."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from scipy import stats

from bertmesh.demo.traffic import Response
from mesh.policy import MAX_PERCENT

# Around a move some requests were routed before it and answered after it.
SETTLE_S = 0.3
# A split is called wrong if chance would produce a worse one in fewer than one of a million acts; 20 % where
# 5 % was asked has p < 1e-6 after 60 requests.
SMALLEST_P = 1e-6
# Below this the chi-square distribution is none: the textbook's rule.
FEWEST_EXPECTED = 5


@dataclass(frozen=True)
class WeightPeriod:
    """A time in which one canary weight was live; times are unix seconds."""

    weight: int
    begin: float
    end: float

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.end - self.begin


@dataclass(frozen=True)
class SplitSeen:
    """Requests that stable and canary answered while ``weight`` per cent was asked."""

    weight: int
    seconds: float
    stable: int
    canary: int

    @property
    def share(self) -> float:
        """Per cent of the requests that the canary answered."""
        return MAX_PERCENT * self.canary / max(1, self.stable + self.canary)


def seen_in(stage: WeightPeriod, answers: Iterable[Response], *, canary: str) -> SplitSeen:
    """Count who answered the requests that were sent well within a stage."""
    inside = [
        answer
        for answer in answers
        if stage.begin + SETTLE_S <= answer.sent_at < stage.end - SETTLE_S and answer.version
    ]
    by_canary = Counter(answer.version == canary for answer in inside)
    return SplitSeen(stage.weight, stage.seconds, by_canary[False], by_canary[True])


def split_p(splits: Sequence[SplitSeen]) -> float | None:
    """Return the chi-square p of all splits together, or None where nothing could differ.

    One degree of freedom a stage; stages at 0 or 100 per cent leave nothing to chance and are left
    out, as are stages in which too few requests were to be expected of a version.
    """
    free = [split for split in splits if _rarest(split) >= FEWEST_EXPECTED]
    if not free:
        return None
    total = sum(_chi_square(split) for split in free)
    return float(stats.chi2.sf(total, len(free)))


def _rarest(split: SplitSeen) -> float:
    """Return how many requests were to be expected of the version with the smaller share."""
    return (split.stable + split.canary) * min(split.weight, MAX_PERCENT - split.weight) / MAX_PERCENT


def _chi_square(split: SplitSeen) -> float:
    requests = split.stable + split.canary
    expected = requests * split.weight / MAX_PERCENT
    return (split.canary - expected) ** 2 / (expected * (1 - split.weight / MAX_PERCENT))


def within(since: float, until: float, answers: Iterable[Response]) -> list[Response]:
    """Return the answers to requests that were sent and answered from ``since`` to ``until``."""
    return [answer for answer in answers if since <= answer.sent_at and answer.answered_at <= until]


def strangers(known: Container[str], answers: Iterable[Response]) -> dict[str, int]:
    """Count what was answered by versions that are not ``known``, each by its name."""
    return Counter(answer.version for answer in answers if answer.version and answer.version not in known)


def unheard(stages: Iterable[WeightPeriod], answers: Iterable[Response]) -> list[int]:
    """Return the weights during which not one of the answers was on its way."""
    given = list(answers)
    return [
        stage.weight
        for stage in stages
        if not any(answer.sent_at < stage.end and stage.begin <= answer.answered_at for answer in given)
    ]


def answered_by(version: str, answers: Iterable[Response]) -> list[Response]:
    """Return what ``version`` answered."""
    return [answer for answer in answers if answer.version == version]


def failures(answers: Iterable[Response]) -> int:
    """Count the requests that failed in the client's eyes."""
    return sum(answer.failed for answer in answers)
