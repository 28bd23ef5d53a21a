"""How fast and on which evidence traffic moves: the ``spec.policy`` and ``spec.shadow`` of a ModelRollout.

Every field but the profile says what differs from it, under the name that it has there
(`canary.judge.policy`): what is left out is the profile's. So a field here has no default, and a rule holds
both for what is stated and, asked again of the whole profile, for what comes out.
"""

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Annotated, Any, Literal

from pydantic import Field

from canary.judge.policy import MAX_HOLDBACK, Margin
from canary.measure.counts import MAX_PERCENT
from canary.resource.fields import Part, Percent, Rule, unreadable
from mesh.duration import Seconds
from mesh.lists import Listed

MINUTE_S = 60
MARGINS = ("tolerated", "tight", "stated")
USUALLY_REQUIRED = ("errors", "slow", "lowconf")
MetricName = Literal["errors", "slow", "lowconf", "feedback", "shadow"]


class StepSpec(Part):
    """One weight, and what must have happened before the next."""

    weight: Annotated[int, Field(ge=1, le=100)] = Field(
        description="Per cent of the requests that go to the canary."
    )
    soak_s: Seconds | None = Field(
        default=None, description="Time that this weight lasts at least. Left out: what the profile says."
    )
    pause: bool = Field(
        default=False,
        description="Whether to wait here for `bertmesh rollout resume` when the evidence is there.",
    )


def _pairs(metric: Any) -> Iterator[tuple[Margin, Margin]]:  # noqa: ANN401 - a MetricSpec or a Metric
    stated = (getattr(metric, name) for name in MARGINS)
    return combinations([margin for margin in stated if margin is not None], 2)


def _rising(field: str) -> str:
    """Return in CEL that a field of the margins never falls, as far as they are stated."""
    return " && ".join(
        f"(!has(self.{low}) || !has(self.{high}) || self.{low}.{field} <= self.{high}.{field})"
        for low, high in combinations(MARGINS, 2)
    )


class MetricSpec(Part):
    """What differs from the profile for one thing that is counted on both versions."""

    RULES = (
        Rule(
            _rising("ratio"),
            "ratios must not fall from tolerated over tight to stated: a canary at the tolerated margin "
            "must be inside the tight one, and that inside the stated one",
            ".tight",
            lambda self: all(low.ratio <= high.ratio for low, high in _pairs(self)),
        ),
        Rule(
            _rising("points"),
            "points must not fall from tolerated over tight to stated: a canary at the tolerated margin must "
            "be inside the tight one, and that inside the stated one",
            ".tight",
            lambda self: all(low.points <= high.points for low, high in _pairs(self)),
        ),
        Rule(
            "!has(self.tolerated) || !has(self.stated) || self.tolerated.points < self.stated.points",
            "points of the stated margin must be above those of the tolerated one: with no room between them "
            "no number of requests could prove a canary good",
            ".stated",
            lambda self: (
                self.tolerated is None or self.stated is None or self.tolerated.points < self.stated.points
            ),
        ),
    )
    name: MetricName = Field(
        description=(
            "`errors` 5xx and timeouts; `slow` slower than the bucket edge nearest the stable's p99; "
            "`lowconf` answers below the confidence floor; `feedback` thumbs down; `shadow` disagreement on "
            "copied requests."
        )
    )
    use: Literal["required", "watched", "off"] | None = Field(
        default=None,
        description=(
            "`required` must be proved good before each step; `watched` can only roll back; `off` is not "
            "looked at. Left out: what the profile says."
        ),
    )
    tolerated: Margin | None = Field(
        default=None,
        description=(
            "A canary up to here is as good as the stable version. Left out: what the profile says."
        ),
    )
    tight: Margin | None = Field(
        default=None,
        description=(
            "What is proved before promotion while the traffic allows it. Left out: what the profile says."
        ),
    )
    stated: Margin | None = Field(
        default=None,
        description=(
            "What is promised: a canary this much worse is promoted in at most 1 rollout of 100. Left out: "
            "what the profile says."
        ),
    )


def _proves(policy: Any) -> bool:  # noqa: ANN401 - a PolicySpec or a Profile
    """Return whether anything must be proved of the canary's own requests, or may be, as far as is stated."""
    uses = {metric.name: metric.use for metric in policy.metrics if metric.use}
    stated = any(use == "required" for name, use in uses.items() if name != "shadow")
    return stated or (isinstance(policy, PolicySpec) and not uses.keys() >= set(USUALLY_REQUIRED))


class PolicySpec(Part):
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
            "!has(self.steps) || self.steps.all(s, s.weight < 100 || (!has(s.soak) && !(has(s.pause) && "
            "s.pause)))",
            "the step of 100 is the promotion: leave out its soak and pause, and set bake, or "
            "BeforePromotion in gates.manual",
            ".steps",
            lambda self: all(
                step.weight < MAX_PERCENT or (step.soak_s is None and not step.pause)
                for step in self.steps or ()
            ),
        ),
        Rule(
            "!has(self.bake) || !has(self.holdback) || duration(self.bake) >= duration('1m') || "
            "self.holdback == 0" + unreadable("self.bake"),
            "a bake below one minute leaves no time to compare: make bake 1m or more, or holdback 0",
            ".bake",
            lambda self: (
                self.bake_s is None or self.holdback is None or self.bake_s >= MINUTE_S or not self.holdback
            ),
        ),
        Rule(
            "!has(self.progressDeadline) || !has(self.fallback) || duration(self.progressDeadline) > "
            "duration(self.fallback)" + unreadable("self.progressDeadline", "self.fallback"),
            "progressDeadline must be longer than fallback, else a rollout fails before it may settle for "
            "the stated margins",
            ".progressDeadline",
            lambda self: (
                self.progress_deadline_s is None
                or self.fallback_s is None
                or self.progress_deadline_s > self.fallback_s
            ),
        ),
        Rule(
            "!has(self.metrics) || self.metrics.exists(m, m.name != 'shadow' && has(m.use) && m.use == "
            f"'required') || {list(USUALLY_REQUIRED)}.exists(n, !self.metrics.exists(m, m.name == n && "
            "has(m.use)))",
            "at least one metric must be required, else the canary has nothing to prove: set use to required "
            "for errors, slow, lowconf or feedback (shadow is about copies alone)",
            ".metrics",
            _proves,
        ),
    )
    profile: Literal["default", "low-traffic", "fast"] = Field(
        default="default",
        description=(
            "Where everything comes from that is not given here; docs/reference/modelrollout.md lists it by "
            "profile. "
            "`low-traffic` suits about one request a second: fewer, larger steps and a wider stated margin. "
            "`fast` is for demos."
        ),
    )
    steps: Annotated[tuple[StepSpec, ...], Field(min_length=1), Listed("atomic", 20)] | None = Field(
        default=None,
        description="Weights in ascending order; 100 follows by itself. Left out: those of the profile.",
    )
    metrics: Annotated[tuple[MetricSpec, ...], Listed("map", 5)] = Field(
        default=(), description="What differs from the profile, a metric each."
    )
    fallback_s: Seconds | None = Field(
        default=None,
        description=(
            "After this time in the last step the stated margins are enough; before, the tight ones. Left "
            "out: what the profile says."
        ),
    )
    bake_s: Seconds | None = Field(
        default=None,
        description=(
            "How long the old version stays warm at full weight, after the last step. Left out: what the "
            "profile says."
        ),
    )
    holdback: Annotated[int, Field(ge=0, le=MAX_HOLDBACK)] | None = Field(
        default=None,
        description=(
            "Per cent of the requests that stay on the old version during the bake, for comparison. 0: "
            "judged against the old version's past, which is weaker. Left out: what the profile says."
        ),
    )
    progress_deadline_s: Seconds | None = Field(
        default=None,
        description=(
            "A rollout that has not moved for this long is Failed, and traffic goes back. Left out: what the "
            "profile says."
        ),
    )


class ShadowSpec(Part):
    """Copies of requests that the canary answers for comparison only."""

    percent: Percent = Field(
        default=0,
        description=(
            "Share of the requests that is copied to the canary before it gets any of its own. The first "
            "step waits until the copies prove that it answers as the stable version does."
        ),
    )
    duration_s: Seconds | None = Field(
        default=None,
        description=(
            "How long requests are copied before the first step, at least. Left out: what the profile says."
        ),
    )
    during_percent: Percent = Field(
        default=0,
        description=(
            "Share of the stable's requests that is copied to the canary while it has a weight, up to the "
            "bake."
        ),
    )
