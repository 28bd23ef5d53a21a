"""All evidence of a rollout: ticks go in, nothing is forgotten, everything is plain data."""

from dataclasses import dataclass, field, replace
from typing import Self

from canary.evidence import Context, MetricEvidence
from canary.measurement import Tick
from canary.policy import Profile
from canary.presence import Presence, is_fresh
from canary.stage import Stage
from canary.statistics import mass


@dataclass(frozen=True)
class Ledger:
    """The judge's whole state.

    ``ticks`` counts the fresh ticks since the first weight; ``opened`` is the last weight step whose first
    fresh tick has been seen (-1 before the first weight).
    """

    metrics: tuple[MetricEvidence, ...]
    ticks: int = 0
    opened: int = -1
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
            return replace(present, metrics=self._learned(tick, profile))
        count = self.ticks + 1
        first = stage.step > self.opened
        context = Context(profile, stage, mass(count, stage.step, first=first))
        return replace(
            present,
            ticks=count,
            opened=max(stage.step, self.opened),
            metrics=self._weighed(tick, context, first=first),
        )

    def _learned(self, tick: Tick, profile: Profile) -> tuple[MetricEvidence, ...]:
        rows = zip(self.metrics, profile.metrics, strict=True)
        return tuple(known.learn(metric, tick, profile) for known, metric in rows)

    def _weighed(self, tick: Tick, context: Context, *, first: bool) -> tuple[MetricEvidence, ...]:
        rows = zip(self.metrics, context.profile.metrics, strict=True)
        begun = ((known.at_new_step() if first else known, metric) for known, metric in rows)
        return tuple(known.observe(metric, tick, context) for known, metric in begun)
