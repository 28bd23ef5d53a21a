"""A rollout and its phases: immutable values from which everything that should be so is derived."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from canary.judge.policy import Profile
from canary.judge.stage import Stage
from canary.measure.counts import MAX_PERCENT
from mesh.model import Split, Weights


class Phase(StrEnum):
    """Where a rollout is."""

    PENDING = "Pending"
    """The stable's history is being read."""
    WARMING = "Warming"
    """Canary pods are starting; the canary gets no traffic."""
    REHEARSING = "Rehearsing"
    """The canary is in the routes at weight 0, to be reached by its version header."""
    PROGRESSING = "Progressing"
    """The canary gets a share of the traffic."""
    PAUSED = "Paused"
    """A person holds it; it is still judged and can still be rolled back."""
    BAKING = "Baking"
    """The canary gets everything but the holdback; the old stable is kept warm."""
    PROMOTED = "Promoted"
    ROLLING_BACK = "RollingBack"
    """Traffic is on its way back; the canary's pods still run."""
    ROLLED_BACK = "RolledBack"
    FAILED = "Failed"
    """It could not begin, or did not move in time; all traffic is on the stable."""


FINAL: Final = frozenset({Phase.PROMOTED, Phase.ROLLED_BACK, Phase.FAILED})
WEIGHTED: Final = frozenset({Phase.PROGRESSING, Phase.BAKING})


@dataclass(frozen=True)
class StepRecord:
    """A weight that was live, and from when to when (Unix seconds; still live: None).

    ``assumed`` says that it was taken to be, and that nobody said so.
    """

    weight: int
    since: float
    until: float | None = None
    assumed: bool = False


@dataclass(frozen=True)
class Rollout:
    """One attempt to replace ``stable`` by ``canary``.

    ``step`` counts weights: -1 before the first, ``len(profile.steps)`` while it bakes. ``paused_in`` is the
    phase that a pause interrupted. ``ended_at`` is when a final phase began; ``settled`` says that the pods
    of the losing side have been let go. ``edge`` is the latency bucket (its ``le``) above which a request
    is slow. ``golden`` is where its golden set is, None or "none" for none. ``undo`` says that the canary was
    stable before and that a person wants it back, so that no gate is asked; ``at_once`` that it gets all
    traffic when its pods are ready, and that nothing is judged.
    The whole profile is kept, so that a new release of the controller does not change the rules of a
    rollout under way. Times are Unix seconds.
    """

    id: str
    stable: str
    canary: str
    replicas: int
    profile: Profile
    started_at: float
    started_by: str
    phase: Phase = Phase.PENDING
    phase_since: float = 0.0
    step: int = -1
    paused_in: Phase | None = None
    ended_at: float | None = None
    settled: bool = False
    edge: str | None = None
    golden: str | None = None
    undo: bool = False
    at_once: bool = False
    passed: tuple[StepRecord, ...] = ()

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.phase in FINAL

    @property
    def acting(self) -> Phase:
        """The phase that determines traffic: a pause changes nothing about it."""
        return self.paused_in or self.phase

    @property
    def weighted(self) -> bool:
        """Whether the canary gets a share of the traffic."""
        return self.acting in WEIGHTED

    @property
    def soaks(self) -> dict[int, float]:
        """The weights on the way (per cent), and how long each is kept at least (seconds)."""
        bake = {self.profile.bake_weight: self.profile.bake_s}
        return bake if self.at_once else {step.weight: step.soak_s for step in self.profile.steps} | bake

    @property
    def weight(self) -> int:
        """The canary's share of the traffic in per cent, once the present split is live."""
        return self._weight_of(self.step) if self.weighted else MAX_PERCENT * (self.phase is Phase.PROMOTED)

    @property
    def pauses(self) -> bool:
        """Whether a person says go on at the present weight."""
        return any(step.pause for step in self.profile.steps[max(self.step, 0) : self.step + 1])

    @property
    def stage(self) -> Stage:
        """What the judge must know."""
        if not self.weighted and not self.mirror:
            return Stage()
        steps = self.profile.steps
        after = steps[self.step + 1].weight if self.step + 1 < len(steps) else MAX_PERCENT
        final = self.acting is Phase.BAKING
        return Stage(self.step, self.weight, after, final=final, mirror=self.mirror)

    @property
    def mirror(self) -> int:
        """How many per cent of the stable's requests are copied to the canary."""
        match self.acting:
            case Phase.REHEARSING:
                return self.profile.shadow.percent
            case Phase.PROGRESSING:
                return self.profile.shadow.during_percent
            case _:
                return 0

    @property
    def split(self) -> Split:
        """The split that should be live."""
        match self.acting:
            case Phase.REHEARSING | Phase.PROGRESSING | Phase.BAKING:
                return Split(self.stable, self.canary, Weights(self.weight), self.mirror)
            case Phase.PROMOTED:
                return Split(self.canary)
            case _:  # the way back needs nothing of the canary, which may be gone altogether
                return Split(self.stable)

    @property
    def pods(self) -> dict[str, int]:
        """The replicas that this rollout asks for; versions that are not named are not touched."""
        match self.acting:
            case Phase.PENDING:
                return {}
            case Phase.PROMOTED:
                return {self.canary: self.replicas, self.stable: 0}
            case Phase.ROLLED_BACK | Phase.FAILED:
                return {self.canary: 0}
            case _:
                return {self.canary: self.replicas}

    def _weight_of(self, step: int) -> int:
        steps = self.profile.steps
        return steps[step].weight if step < len(steps) else self.profile.bake_weight
