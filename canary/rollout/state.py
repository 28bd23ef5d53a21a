"""Everything the controller must remember; written as one piece, so that no two parts can disagree."""

from dataclasses import dataclass, replace
from typing import Final, Self

from canary.judge.ledger import Ledger
from canary.judge.stage import Stage
from canary.measure.counters import Cursor
from canary.rollout.commands import OrderResult
from canary.rollout.confirmation import Confirmation, Doubt
from canary.rollout.history import Entry
from canary.rollout.model import Rollout
from mesh.model import Split

SCHEMA: Final = 2
MAX_ANSWERS: Final = 50


@dataclass(frozen=True)
class GateAsked:
    """A gate that was asked at one point of a rollout: since when (Unix seconds), and whether it said yes."""

    point: str
    since: float
    passed: bool = False


@dataclass(frozen=True)
class State:
    """The stable version, the last or present rollout, its evidence, and what has happened.

    ``live_since`` is since when the present split is taken to be live, and ``confirmation`` is who says so;
    None says that it has yet to be applied, or that it is not believed yet, which ``doubt`` explains.
    ``ticked_at`` is when a measurement was last due. ``latest`` is the last decision, also one that is no
    news and therefore not in the history. ``previous`` was stable before ``stable``, None as long as nothing
    was promoted. Times are Unix seconds.
    """

    stable: str
    schema: int = SCHEMA
    live_since: float | None = None
    rollout: Rollout | None = None
    ledger: Ledger | None = None
    cursor: Cursor | None = None
    ticked_at: float | None = None
    latest: Entry | None = None
    history: tuple[Entry, ...] = ()
    answers: tuple[OrderResult, ...] = ()
    entries: int = 0
    rollouts: int = 0
    gates: tuple[GateAsked, ...] = ()
    previous: str | None = None
    confirmation: Confirmation | None = None
    doubt: Doubt | None = None

    @property
    def assumed(self) -> bool:
        """Whether the present split is taken to be live although nobody said so."""
        return self.live_since is not None and self.confirmation is not None and self.confirmation.assumed

    @property
    def split(self) -> Split:
        """The split that should be live."""
        return self.active.split if self.active else Split(self.stable)

    @property
    def active(self) -> Rollout | None:
        """The rollout in progress, if there is one."""
        return None if self.rollout is None or self.rollout.ended else self.rollout

    @property
    def settled(self) -> bool:
        """Whether nothing is under way, and the pods of the last rollout's losing side have been let go."""
        return self.rollout is None or (self.rollout.ended and self.rollout.settled)

    @property
    def stage(self) -> Stage:
        """What the judge must know of where the rollout in progress stands."""
        stage = self.active.stage if self.active else Stage()
        return replace(stage, live=self.live_since is not None)

    def answer_to(self, command_id: str) -> OrderResult | None:
        """Return the answer that was given to a command."""
        return next((answer for answer in self.answers if answer.id == command_id), None)

    def answered(self, answer: OrderResult) -> Self:
        """Return the state that remembers an answer."""
        return replace(self, answers=(*self.answers, answer)[-MAX_ANSWERS:])
