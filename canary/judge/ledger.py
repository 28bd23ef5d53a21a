"""All evidence of a rollout: ticks go in, nothing is forgotten, everything is plain data."""

from dataclasses import dataclass, field, replace
from typing import Self

from canary.judge.evidence import Context, MetricEvidence
from canary.judge.policy import Profile
from canary.judge.presence import Presence, is_fresh
from canary.judge.stage import Stage
from canary.judge.stakes import stakes
from canary.judge.statistics import mass
from canary.measure.counts import Tick


@dataclass(frozen=True)
class Ledger:
    """The judge's whole state.

    ``ticks`` counts the fresh ticks since the first weight; ``opened`` is the last weight step whose first
    fresh tick has been seen (-1 before the first weight). ``rehearsed`` counts the fresh ticks before the
    first weight in which requests were copied.
    """

    metrics: tuple[MetricEvidence, ...]
    ticks: int = 0
    opened: int = -1
    rehearsed: int = 0
    presence: Presence = field(default_factory=Presence)

    @classmethod
    def empty(cls, profile: Profile) -> Self:
        """Return the state before anything was measured."""
        return cls(tuple(MetricEvidence(metric.name) for metric in profile.metrics))

    def observe(self, tick: Tick, profile: Profile, stage: Stage) -> Self:
        """Return the state after one more tick, the ticks of the stable's history included."""
        present = replace(self, presence=self.presence.observe(tick, stage))
        if not is_fresh(tick, stage.weight):
            return present
        if stage.step < 0:
            rehearsed = self.rehearsed + stage.rehearsing
            return replace(present, rehearsed=rehearsed, metrics=self._learned(tick, profile, stage))
        return replace(
            present,
            ticks=self.ticks + 1,
            opened=max(stage.step, self.opened),
            metrics=self._weighed(tick, profile, stage),
        )

    def _learned(self, tick: Tick, profile: Profile, stage: Stage) -> tuple[MetricEvidence, ...]:
        """Learn of the stable, and weigh what is counted of copies."""
        first = self.rehearsed == 0
        context = Context(profile, stage, mass(self.rehearsed + 1, 0, first=first))
        return tuple(
            known.observe(metric, tick, context)
            if stage.counts(metric)
            else known.learn(metric, tick, profile)
            for known, metric in zip(self.metrics, profile.metrics, strict=True)
        )

    def _weighed(self, tick: Tick, profile: Profile, stage: Stage) -> tuple[MetricEvidence, ...]:
        first, count = stage.step > self.opened, self.ticks + 1
        usual = Context(profile, stage, mass(count, stage.step, first=first))
        # What was weighed in the rehearsal, too, has spent some of the mass there: that was its first step.
        later = Context(profile, stage, mass(self.rehearsed + count, stage.step + 1, first=first))
        begun = [known.at_new_step() if first else known for known in self.metrics]
        rows = zip(begun, profile.metrics, stakes(profile.metrics, self.metrics), strict=True)
        return tuple(
            known.observe(metric, tick, later if metric.mirrored else replace(usual, stake=stake))
            if stage.counts(metric)
            else known
            for known, metric, stake in rows
        )
