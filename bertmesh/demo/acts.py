"""The acts of the demo: what is done, what is promised, and whether it was kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bertmesh.demo.facts import (
    SMALLEST_P,
    SplitSeen,
    WeightPeriod,
    answered_by,
    failures,
    seen_in,
    split_p,
    strangers,
    unheard,
    within,
)
from bertmesh.demo.proofs import Succession, jumps, unexplained, unweighted, waits
from bertmesh.demo.traffic import Response
from bertmesh.local.home import VersionSpec
from canary.judge.profiles import FAST
from canary.rollout.history import Entry
from canary.rollout.model import Phase, Rollout

TUNED = "zh-small:1.1-reviews"
PROFILE = replace(FAST, holdback=5, ready_s=600.0)
"""The bake, too, is compared with the stable in the same seconds: a busy machine convicts nobody."""
WEIGHTS = (*(step.weight for step in PROFILE.steps), PROFILE.bake_weight)
# Evidence is requests: 20 to 40 of the canary's are typical, the promise leaves room for bad luck.
OUT_AFTER = 90
MS = 1000


@dataclass(frozen=True)
class Act:
    """One act: a canary, what it is started with, and how the rollout must end.

    ``out_after`` bounds the requests that the canary gets while it can be judged, which it cannot while the
    stable itself is bad or nothing is measured; ``kill_controller`` kills the controller once the canary has
    reached 20 per cent. ``slower_s`` is what the canary adds to every answer.
    """

    title: str
    canary: str
    spec: VersionSpec | None
    ends: str
    out_after: int | None = None
    no_failures: bool = False
    kill_controller: bool = False
    slower_s: float | None = None

    def hidden_by(self, rollout: Rollout) -> bool:
        """Whether so many of the stable's answers took so long lately that a slow canary's would be usual."""
        return bool(self.slower_s and rollout.edge and float(rollout.edge) >= MS * self.slower_s)


ACTS = (
    Act("Act 1: a domain-adapted model", "1.1-reviews", None, "Promoted", no_failures=True),
    Act(
        "Act 2: a canary that fails 30 % of its requests",
        "1.2-failing",
        VersionSpec(TUNED, fault="error=0.3"),
        "RolledBack",
        out_after=OUT_AFTER,
    ),
    Act(
        "Act 3: a canary that is 1.2 s slower",
        "1.2-slow",
        VersionSpec(TUNED, fault="latency=1200ms"),
        "RolledBack",
        out_after=OUT_AFTER,
        no_failures=True,
        slower_s=1.2,
    ),
    Act(
        "Act 4: the controller is killed in mid-rollout",
        "1.2",
        VersionSpec(TUNED),
        "Promoted",
        no_failures=True,
        kill_controller=True,
    ),
)


@dataclass(frozen=True)
class ActResult:
    """How an act went.

    Times are Unix seconds. ``stable`` is the version that served when the act began; ``stages`` are the
    weights in their order; ``history`` is what was decided;
    ``written`` are the canary's weights in the route file, in their order, as far as they were seen.
    ``takes`` is how often the act was begun.
    """

    act: Act
    stable: str
    begin: float
    end: float
    phase: str
    sentence: str
    stages: tuple[WeightPeriod, ...]
    answers: Sequence[Response]
    history: tuple[Entry, ...] = ()
    written: tuple[int, ...] = ()
    succession: Succession | None = None
    takes: int = 1

    @property
    def splits(self) -> list[SplitSeen]:
        """What each stage's traffic looked like."""
        return [seen_in(stage, self.answers, canary=self.act.canary) for stage in self.stages]

    @property
    def failures(self) -> int:
        """Requests that failed in the clients' eyes."""
        return failures(self.answers)

    @property
    def p(self) -> float | None:
        """The chi-square p of all splits of the act."""
        return split_p(self.splits)

    @property
    def on_canary(self) -> list[Response]:
        """What the canary answered."""
        return answered_by(self.act.canary, self.answers)

    @property
    def before_it_was_out(self) -> int:
        """Requests that the canary answered while it could be judged."""
        spans = waits(self.history, self.end)
        return sum(
            not any(since <= answer.sent_at < until for since, until in spans) for answer in self.on_canary
        )

    def broken_promises(self) -> list[str]:
        """Return the promises that the act did not keep, in words."""
        act, found = self.act, []
        if self.phase != act.ends:
            found.append(f"ended {self.phase}, promised {act.ends}")
        if act.no_failures and self.failures:
            found.append(f"{self.failures} requests failed, promised 0")
        if act.out_after is not None and self.before_it_was_out > act.out_after:
            found.append(f"the bad canary got {self.before_it_was_out} requests, promised {act.out_after}")
        if self.p is not None and self.p < SMALLEST_P:
            found.append(f"the split was not the one asked for (p {self.p:.1e})")
        return found + self._misplaced() + self._left_out() + self._unaccounted()

    def _misplaced(self) -> list[str]:
        """Return which answers came from where none was to come from."""
        too_early = within(*unweighted(self.history, self.end), self.on_canary)
        found = [f"the canary answered {len(too_early)} requests before it had a weight"] if too_early else []
        others = strangers({self.stable, self.act.canary}, self.answers)
        return found + [
            f"{count} requests were answered by {version}, which is neither {self.stable} nor the canary"
            for version, count in others.items()
        ]

    def _left_out(self) -> list[str]:
        """Return what a promoted canary passed over on its way."""
        if not self.phase == self.act.ends == Phase.PROMOTED:
            return []
        lived = tuple(stage.weight for stage in self.stages)
        found = [] if lived == WEIGHTS else [f"promoted by way of {_way(lived)}, promised {_way(WEIGHTS)}"]
        silent = unheard(self.stages, self.on_canary)
        return found + [f"promoted with no answer from the canary at {weight} %" for weight in silent]

    def _unaccounted(self) -> list[str]:
        """Return what the controller did that its history does not account for."""
        unknown = unexplained(self.written, self.history)
        found = [f"{weight} % was written and never decided" for weight in unknown] + jumps(self.history)
        if not self.act.kill_controller:
            return found
        if self.succession is None:
            return [*found, "the controller was not killed"]
        return [*found, *(f"the new controller lost something: {loss}" for loss in self.succession.losses())]


def _way(weights: Sequence[int]) -> str:
    return f"{' -> '.join(map(str, weights))} %" if weights else "no weight"
