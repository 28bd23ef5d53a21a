"""What a rollout policy is made of: margins, the rows of the metric table, steps, a profile.

Times are in seconds, weights and points are per cent. What a ModelRollout may state has the same name there,
without the ``_s`` of seconds.
"""

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, Self

from pydantic import Field

from canary.measure.counts import MAX_PERCENT

MAX_HOLDBACK: Final = 5
"""Per cent; more would be a step, not a bake."""


@dataclass(frozen=True)
class Margin:
    """How much worse than the stable version: a factor on its rate of bad events, and points on top."""

    ratio: Annotated[
        float,
        Field(
            ge=0, le=100, description="Factor on the stable version's rate; 0 compares with `points` alone."
        ),
    ]
    points: Annotated[
        float,
        Field(ge=0, le=100, description="Percentage points on top: 0.5 is half a request in a hundred."),
    ]

    @property
    def added(self) -> float:
        """The points as a fraction."""
        return self.points / MAX_PERCENT

    def of(self, stable_rate: float) -> float:
        """Return the bound for a stable whose rate is known (both as fractions)."""
        return self.ratio * stable_rate + self.added

    def __str__(self) -> str:
        return f"{self.ratio:g}x + {self.points:g} points" if self.ratio else f"{self.points:g} %"


@dataclass(frozen=True)
class Metric:
    """One row of the metric table.

    ``name`` is also the key of its counts in a tick. ``use`` says whether it must be proved good before
    each step or can only roll back. Up to ``tolerated`` a canary is as good as the stable; ``tight`` is
    proved before promotion while the traffic allows it; ``stated`` is promised. ``weight`` is its share of
    the evidence of harm, scaled so that the shares of a profile's metrics add up to one. ``breaker`` is the
    null of the
    circuit breaker, if the metric has one. Counts of a canary pod younger than ``skip_young_s`` are
    left out. With ``if_counted`` nothing has to be proved while the stable has not been seen to count such
    events at all: nobody asks for masks, or nobody gives feedback. ``mirrored`` events are counted of copies
    of the stable's requests, so from the rehearsal on and while there are copies; they have no stable side.
    """

    name: str
    bad: str
    tolerated: Margin
    tight: Margin
    stated: Margin
    weight: float
    use: Literal["required", "watched"] = "required"
    breaker: Margin | None = None
    skip_young_s: float = 0.0
    if_counted: bool = False
    mirrored: bool = False

    @property
    def required(self) -> bool:
        """Whether it must be proved good before each step."""
        return self.use == "required"


@dataclass(frozen=True)
class Shadow:
    """How many of the stable's requests are copied to the canary, in per cent; 0 is none.

    ``percent`` holds until the first weight, for at least ``duration_s``; ``during_percent`` from then on to
    the bake.
    """

    percent: int = 0
    duration_s: float = 120.0
    during_percent: int = 0

    def __post_init__(self) -> None:
        for share in (self.percent, self.during_percent):
            if not 0 <= share <= MAX_PERCENT:
                message = f"copies are a share of the requests from 0 to 100 per cent, got {share}"
                raise ValueError(message)

    def __bool__(self) -> bool:
        return bool(self.percent or self.during_percent)


@dataclass(frozen=True)
class Step:
    """A weight for the canary, how long it must hold at least, and whether a person then says go on."""

    weight: int
    soak_s: float
    pause: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.weight < MAX_PERCENT:
            message = f"a step's weight is from 1 to 99 (100 follows by itself), got {self.weight}"
            raise ValueError(message)


@dataclass(frozen=True)
class Profile:
    """A complete policy: which steps, which metrics at which margins, and how patient to be.

    ``tick_s`` is the time between two measurements; ``history_s`` how much of the stable's past is read
    before a rollout; ``fallback_s`` when the last step settles for the stated margins; ``silent_s`` and
    ``no_data_s`` how long a silent canary and absent samples are borne; ``incident_s`` over how long a
    common incident is looked for; ``bake_s`` how long 100 % is watched with the old stable kept warm;
    ``ready_s`` how long canary pods may take to become ready. ``phi_max`` bounds how much evidence is
    discounted because bad events cluster. ``holdback`` is how many per cent stay with the stable during the
    bake, so that there is still something to compare with; 0 compares with the stable's past.
    ``lone_gain`` is what one pod may add in one tick to what the other pods say against the canary, and the
    worse half of the pods to what the better half says to the breaker (nats).
    ``shadow`` says which requests are copied to the canary. ``progress_deadline_s`` is how long a rollout may
    stand at one weight before it has failed (the operator's rollouts).
    """

    name: str
    description: str
    steps: tuple[Step, ...]
    metrics: tuple[Metric, ...]
    tick_s: float = 5.0
    history_s: float = 600.0
    fallback_s: float = 600.0
    silent_s: float = 60.0
    no_data_s: float = 60.0
    incident_s: float = 60.0
    phi_max: float = 10.0
    bake_s: float = 600.0
    holdback: int = 5
    lone_gain: float = 0.5
    ready_s: float = 600.0
    progress_deadline_s: float = 86400.0
    shadow: Shadow = Shadow()

    def __post_init__(self) -> None:
        weights = [step.weight for step in self.steps]
        if not weights or weights != sorted(set(weights)):
            message = f"the weights of a profile rise from step to step, got {weights}"
            raise ValueError(message)
        if not 0 <= self.holdback <= MAX_HOLDBACK:
            message = f"the holdback is from 0 to {MAX_HOLDBACK} per cent, got {self.holdback}"
            raise ValueError(message)

    def with_weights(self, weights: tuple[int, ...]) -> Self:
        """Return this profile with other weights; soaks are taken over by position, the last one repeats.

        Raises:
            ValueError: the weights do not rise, or one is not from 1 to 99.
        """
        soaks = [step.soak_s for step in self.steps]
        steps = tuple(Step(weight, soaks[min(i, len(soaks) - 1)]) for i, weight in enumerate(weights))
        return replace(self, steps=steps)

    @property
    def bake_weight(self) -> int:
        """The canary's weight during the bake: all but the holdback, and never less than a step before."""
        return max(MAX_PERCENT - self.holdback, self.steps[-1].weight)

    @property
    def way(self) -> str:
        """All weights that a canary passes, as people read them: ``5 -> 20 -> 95 -> 100 %``."""
        weights = [*(step.weight for step in self.steps), self.bake_weight, MAX_PERCENT]
        return " -> ".join(map(str, dict.fromkeys(weights))) + " %"

    @property
    def grace_s(self) -> float:
        """How old the newest sample may be before the data count as absent."""
        return 3 * self.tick_s
