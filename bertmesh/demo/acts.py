"""The acts of the demo: what is done, what is promised, and whether it was kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from bertmesh.demo.facts import SMALLEST_P, SplitSeen, Stage, failures, last_on, misplaced, seen_in, split_p
from bertmesh.demo.traffic import Answer
from bertmesh.local.home import VersionSpec

TUNED = "zh-small:1.1-reviews"
# Typical are 6 to 12 s at 3 canary requests a second; the promise leaves room for bad luck.
OUT_WITHIN_S = 30.0


@dataclass(frozen=True)
class Act:
    """One act: a canary, what it is started with, and how the rollout must end.

    ``out_within_s`` bounds the seconds from the canary's first request to its last one;
    ``kill_controller`` kills the controller once the canary has reached 20 per cent.
    """

    title: str
    canary: str
    spec: VersionSpec | None
    ends: str
    out_within_s: float | None = None
    no_failures: bool = False
    kill_controller: bool = False


ACTS = (
    Act("Act 1: a domain-adapted model", "1.1-reviews", None, "Promoted", no_failures=True),
    Act(
        "Act 2: a canary that fails 30 % of its requests",
        "1.2-failing",
        VersionSpec(TUNED, fault="error=0.3"),
        "RolledBack",
        out_within_s=OUT_WITHIN_S,
    ),
    Act(
        "Act 3: a canary that is 1.2 s slower",
        "1.2-slow",
        VersionSpec(TUNED, fault="latency=1200ms"),
        "RolledBack",
        out_within_s=OUT_WITHIN_S,
        no_failures=True,
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
class Resumption:
    """What the kill of the controller left: numbers before it and after the resumption."""

    down_s: float
    weight_before: int
    weight_after: int
    judged_before: int
    judged_after: int

    @property
    def kept(self) -> bool:
        """Whether no weight moved and no evidence was lost."""
        return self.weight_after == self.weight_before and self.judged_after >= self.judged_before


@dataclass(frozen=True)
class Outcome:
    """How an act went. Times are unix seconds; ``stages`` are the weights in their order."""

    act: Act
    begin: float
    end: float
    phase: str
    sentence: str
    stages: tuple[Stage, ...]
    answers: Sequence[Answer]
    resumption: Resumption | None = None

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
    def seconds_on_canary(self) -> float:
        """Seconds from the canary's first request to its last one."""
        sent = [answer.sent_at for answer in self.answers if answer.version == self.act.canary]
        return (last_on(self.act.canary, self.answers) or 0.0) - min(sent) if sent else 0.0

    def broken_promises(self) -> list[str]:
        """Return the promises that the act did not keep, in words."""
        act, found = self.act, []
        if self.phase != act.ends:
            found.append(f"ended {self.phase}, promised {act.ends}")
        if act.no_failures and self.failures:
            found.append(f"{self.failures} requests failed, promised 0")
        if act.out_within_s is not None and self.seconds_on_canary > act.out_within_s:
            found.append(
                f"{self.seconds_on_canary:.1f} s on the bad canary, promised {act.out_within_s:.0f} s"
            )
        if self.p is not None and self.p < SMALLEST_P:
            found.append(f"the split was not the one asked for (p {self.p:.1e})")
        if misplaced(self.splits):
            found.append(f"{misplaced(self.splits)} requests went to a version of weight 0")
        if act.kill_controller and not (self.resumption and self.resumption.kept):
            found.append(f"the controller did not resume where it was: {self.resumption}")
        return found
