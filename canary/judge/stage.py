"""Where a rollout stands, as far as the judge must know."""

from dataclasses import dataclass
from typing import Final

from canary.judge.policy import Margin, Metric
from canary.measure.counts import MAX_PERCENT

STEP_EXCESS: Final = 0.04
"""A step may be left once the excess that is not ruled out would cost at most 4 % of all requests at the
next weight."""


@dataclass(frozen=True)
class Stage:
    """A weight step: its number (-1 before the first weight), its weight and the next one (per cent).

    ``live`` says that the gateway has proved the weight, so that canary requests may be expected. ``final``
    says that the steps are over: the canary has all the traffic but, perhaps, a holdback. ``mirror`` is how
    many per cent of the stable's requests are copied to the canary.
    """

    step: int = -1
    weight: int = 0
    next_weight: int = MAX_PERCENT
    live: bool = True
    final: bool = False
    mirror: int = 0

    @property
    def rehearsing(self) -> bool:
        """Whether the canary gets copies and no requests of its own yet."""
        return self.step < 0 and self.mirror > 0

    @property
    def judged(self) -> bool:
        """Whether the canary gets anything that it can be judged by."""
        return self.step >= 0 or self.mirror > 0

    def counts(self, metric: Metric) -> bool:
        """Whether events of a metric can be counted of the canary at all."""
        return self.mirror > 0 if metric.mirrored else self.step >= 0

    @property
    def baking(self) -> bool:
        """Whether the steps are over, so that nothing more has to be proved, only watched."""
        return self.final or self.alone

    @property
    def alone(self) -> bool:
        """Whether the canary has all the traffic, so that there is no stable to compare with."""
        return self.weight >= MAX_PERCENT

    @property
    def last(self) -> bool:
        """Whether promotion comes next."""
        return self.next_weight >= MAX_PERCENT

    def margin(self, metric: Metric) -> Margin:
        """Return the margin at which the canary must be proved safe to leave this step."""
        points = max(metric.stated.points, MAX_PERCENT * STEP_EXCESS * MAX_PERCENT / self.next_weight)
        return Margin(metric.stated.ratio, points)
