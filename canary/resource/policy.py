"""How fast and on which evidence traffic moves: the ``spec.policy`` of a ModelRollout."""

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from canary.measure.counts import MAX_PERCENT
from canary.resource.fields import Duration, Part, Rule, listed, seconds

MINUTE_S = 60
MetricName = Literal["errors", "slow", "lowconf", "feedback", "shadow"]


class Step(Part):
    """One weight, and what must have happened before the next."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        description="Per cent of the requests that go to the canary."
    )
    soak: Duration | None = Field(
        default=None, description="Time that this weight lasts at least. Left out: what the profile says."
    )
    pause: bool = Field(
        default=False,
        description="Whether to wait here for `bertmesh rollout resume` when the evidence is there.",
    )


class Margin(Part):
    """How much worse than the stable version: a factor, and percentage points on top."""

    ratio: Annotated[float, Field(ge=0, le=100)] = Field(
        description="Factor on the stable version's rate; 0 compares with `points` alone."
    )
    points: Annotated[float, Field(ge=0, le=100)] = Field(
        description="Percentage points on top: 0.5 is half a request in a hundred."
    )


class Margins(Part):
    """The three lines of a metric: what is tolerated, what the last step must prove, what is promised."""

    RULES = (
        Rule(
            "self.tolerated.ratio <= self.tight.ratio && self.tight.ratio <= self.stated.ratio",
            "ratios must not fall from tolerated over tight to stated: a canary at the tolerated margin "
            "must be inside the tight one, and that inside the stated one",
            ".tight",
            lambda self: self.tolerated.ratio <= self.tight.ratio <= self.stated.ratio,
        ),
        Rule(
            "self.tolerated.points < self.stated.points && self.tolerated.points <= self.tight.points && "
            "self.tight.points <= self.stated.points",
            "points must not fall from tolerated over tight to stated, and stated must be above tolerated: "
            "with no room between them no number of requests could prove a canary good",
            ".stated",
            lambda self: (
                self.tolerated.points < self.stated.points
                and self.tolerated.points <= self.tight.points <= self.stated.points
            ),
        ),
    )
    tolerated: Margin = Field(description="A canary up to here is as good as the stable version.")
    tight: Margin = Field(description="What is proved before promotion while the traffic allows it.")
    stated: Margin = Field(
        description="What is promised: a canary this much worse is promoted in at most 1 rollout of 100."
    )


class Metric(Part):
    """One thing that is counted on both versions."""

    name: MetricName = Field(
        description=(
            "`errors` 5xx and timeouts; `slow` slower than the bucket edge nearest the stable's p99; "
            "`lowconf` answers below the confidence floor; `feedback` thumbs down; `shadow` disagreement on "
            "copied requests."
        )
    )
    use: Literal["required", "watched", "off"] = Field(
        default="required",
        description=(
            "`required` must be proved good before each step; `watched` can only roll back; `off` is not "
            "looked at."
        ),
    )
    margins: Margins | None = Field(
        default=None, description="How much worse is too much. Left out: what the profile says."
    )


class Bake(Part):
    """The time at full weight, with the old version still warm."""

    duration: Duration = Field(
        default="10m", description="How long the old version stays warm after the last step."
    )
    holdback: Annotated[int, Field(ge=0, le=5)] = Field(
        default=5,
        description=(
            "Per cent of the requests that stay on the old version during the bake, for comparison. 0: "
            "judged against the old version's past, which is weaker."
        ),
    )


class Policy(Part):
    """How fast and on which evidence traffic moves."""

    RULES = (
        Rule(
            "!has(self.steps) || self.steps.map(s, s.weight).isSorted() && self.steps.all(a, "
            "self.steps.exists_one(b, a.weight == b.weight))",
            "weights of the steps must ascend, each above the one before: 5, 20, 50, 100",
            ".steps",
            lambda self: all(a.weight < b.weight for a, b in pairwise(self.steps or ())),
        ),
        Rule(
            "!has(self.steps) || self.steps.exists(s, s.weight < 100)",
            "a step of 100 alone is no canary: begin lower, such as 5",
            ".steps",
            lambda self: self.steps is None or any(step.weight < MAX_PERCENT for step in self.steps),
        ),
        Rule(
            "!has(self.steps) || self.steps.all(s, s.weight < 100 || (!has(s.soak) && !s.pause))",
            "the step of 100 is the promotion: leave out its soak and pause, and set bake.duration, or "
            "BeforePromotion in gates.manual",
            ".steps",
            lambda self: all(
                step.weight < MAX_PERCENT or (step.soak is None and not step.pause)
                for step in self.steps or ()
            ),
        ),
        Rule(
            "duration(self.bake.duration) >= duration('1m') || self.bake.holdback == 0",
            "a bake below one minute leaves no time to compare: make bake.duration 1m or more, or "
            "bake.holdback 0",
            ".bake",
            lambda self: seconds(self.bake.duration) >= MINUTE_S or self.bake.holdback == 0,
        ),
        Rule(
            "duration(self.progressDeadline) > duration(self.fallback)",
            "progressDeadline must be longer than fallback, else a rollout fails before it may settle for "
            "the stated margins",
            ".progressDeadline",
            lambda self: seconds(self.progress_deadline) > seconds(self.fallback),
        ),
    )
    profile: Literal["default", "low-traffic", "fast"] = Field(
        default="default",
        description=(
            "Where steps, soak times and margins come from that are not given here. `low-traffic` suits "
            "about one request a second: fewer, larger steps and a wider stated margin."
        ),
    )
    steps: Annotated[tuple[Step, ...], Field(min_length=1, max_length=20)] | None = Field(
        default=None,
        description="Weights in ascending order; 100 follows by itself. Left out: those of the profile.",
        json_schema_extra=listed("atomic"),
    )
    metrics: tuple[Metric, ...] = Field(
        default=(),
        max_length=5,
        description="What differs from the profile, a metric each.",
        json_schema_extra=listed("map", "name"),
    )
    fallback: Duration = Field(
        default="10m",
        description="After this time in the last step the stated margins are enough; before, the tight ones.",
    )
    bake: Bake = Field(default=Bake(), description="The time at full weight.")
    progress_deadline: Duration = Field(
        default="24h",
        description="A rollout that has not moved for this long is Failed, and traffic goes back.",
    )
