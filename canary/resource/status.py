"""What the controller says: the ``status`` of a ModelRollout."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from canary.resource.fields import Percent, Record, Text, Word
from mesh.lists import Listed

PhaseName = Literal[
    "Idle", "Pending", "Warming", "Rehearsing", "Progressing", "Paused", "Baking",
    "Promoted", "RollingBack", "RolledBack", "Failed",
]  # fmt: skip
HISTORY_KEPT = 50
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]


class Counts(Record):
    """What was counted on one version since the step began."""

    requests: Count = Field(description="Requests that were judged.")
    bad: Count = Field(description="Those that went wrong.")


class Evidence(Record):
    """What one metric says."""

    metric: Word = Field(description="Name of the metric.")
    stable: Counts = Field(description="Counted on the stable version.")
    canary: Counts = Field(description="Counted on the canary.")
    harm: Finite = Field(
        description="Evidence that the canary is worse, 1 being none; 100 in all is enough to go back."
    )
    safe: Finite = Field(
        description="Evidence that it is good enough, 1 being none; 20 is enough for a step."
    )
    needed: Count | None = Field(
        default=None, description="Canary requests that are still needed at the present rates."
    )
    words: Text = Field(description="The same in a sentence.")


class Condition(Record):
    """A condition by Kubernetes' own conventions."""

    type: Annotated[str, Field(max_length=316)] = Field(
        description="`Ready`, `Proved`, `Progressing`, `Degraded` or another word in this form."
    )
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: Annotated[
        str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ] = Field(description="Why, in one word for machines.")
    message: Annotated[str, Field(max_length=32768)] = Field(description="Why, in a sentence for people.")
    last_transition_time: datetime = Field(description="When `status` changed last.")
    observed_generation: Count | None = Field(
        default=None, description="Generation of the spec that this is about."
    )


class Transition(Record):
    """One line of the history."""

    at: datetime = Field(description="When.")
    phase: PhaseName = Field(description="The phase that began.")
    step: Count | None = Field(default=None, description="The step, from 1.")
    weight: Percent = Field(description="Per cent of the requests on the canary from then on.")
    by: Word = Field(description="Who: `controller`, or the person who asked for it.")
    reason: Word = Field(description="Why, in one word for machines.")
    message: Text = Field(description="Why, in a sentence for people.")


class Status(Record):
    """What the controller has done and seen."""

    observed_generation: Count | None = Field(
        default=None, description="Generation of the spec that this status is about."
    )
    phase: PhaseName | None = Field(
        default=None, description="Where the rollout stands; `Idle` before the first one."
    )
    stable: Word | None = Field(
        default=None,
        description="The version that is trusted now; after a promotion it is the former canary.",
    )
    canary: Word | None = Field(default=None, description="The version that is on trial.")
    previous: Word | None = Field(
        default=None, description="The version that was stable before, kept for `bertmesh rollout undo`."
    )
    step: Count | None = Field(default=None, description="The step, from 1; 0 before the first.")
    weight: Percent | None = Field(
        default=None, description="Per cent of the requests that the route was told to send."
    )
    weight_proved: Percent | None = Field(
        default=None,
        description=(
            "The last weight that the proxies themselves answered with, or that their counts showed; the "
            "condition `Proved` says which, and calls it assumed where nobody did."
        ),
    )
    since: datetime | None = Field(
        default=None,
        description="When the present weight was proved, or assumed; soak time counts from then.",
    )
    verdict: Word | None = Field(default=None, description="What the judge said last, in a few words.")
    message: Text | None = Field(default=None, description="What happens now and why, in a sentence.")
    evidence: Annotated[tuple[Evidence, ...], Listed("map", 8, "metric")] = Field(
        default=(), description="What each metric says."
    )
    judge: dict[str, Any] | None = Field(
        default=None,
        description="The judge's memory. Only the controller reads it; a restart goes on from here.",
        json_schema_extra={"x-kubernetes-preserve-unknown-fields": True},
    )
    conditions: Annotated[tuple[Condition, ...], Listed("map", 16, "type")] = Field(
        default=(), description="Conditions."
    )
    history: Annotated[tuple[Transition, ...], Listed("atomic", HISTORY_KEPT)] = Field(
        default=(), description="What happened, the latest last."
    )
