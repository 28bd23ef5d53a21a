"""The work of comparing: notes of the stable's answers go out, copies wait for the note they belong to.

Nothing of it happens while a client waits. Both queues are bounded: what comes when they are full is
dropped and counted, so that a comparison is missing rather than a request slow.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final, Protocol

from service.errors import StoreDown
from service.shadow.example import example
from service.shadow.redis import AnswerStore, Example
from service.tasks.agreement import Agreement, failure
from service.tasks.base import Answer, Query, Task, unpacked

FAILED: Final = failure("the canary failed where the stable answered")
WORST: Final = 20
"""Examples that are kept of each canary."""
_SEPARATOR: Final = b"\n"


@dataclass(frozen=True)
class Bounds:
    """How much may wait, for how long, and how often it is looked at (seconds).

    A note lives ``note_s``; a copy waits ``patience_s`` for it, which covers the pods' deadline: both
    versions may take that long to answer.
    """

    waiting: int = 2048
    at_once: int = 128
    note_s: float = 15.0
    patience_s: float = 6.0
    pause_s: float = 0.05
    longest_pause_s: float = 0.5


@dataclass(frozen=True)
class StableAnswer:
    """What the stable answered; ``key`` is the same as that of the copy."""

    key: str
    version: str
    answer: Answer


@dataclass(frozen=True)
class CanaryAnswer:
    """What a canary answered to a copy of a request; ``answer`` None says that it failed.

    ``at`` and ``due`` are seconds of the comparer's clock: when it was answered, and when to look for
    its note.
    """

    key: str
    canary: str
    task: Task
    query: Query
    answer: Answer | None
    request_id: str
    trace_id: str
    at: float = 0.0
    due: float = 0.0
    pause_s: float = 0.0


class Tally(Protocol):
    """Learns what became of copies."""

    def compared(self, canary: str, task: str, agreement: Agreement) -> None:
        """Count a copy that was compared."""

    def unmatched(self, canary: str, copies: int) -> None:
        """Count copies whose note never came."""

    def dropped(self, side: str, count: int) -> None:
        """Count what was not taken, or could not be delivered, on the stable's or the canary's side."""


@dataclass
class Comparer:
    """Compares. ``put`` may be called from any thread, ``turn`` from one; ``now`` gives Unix seconds."""

    board: AnswerStore
    tally: Tally
    now: Callable[[], float]
    pod: str = ""
    texts: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    _notes: deque[StableAnswer] = field(default_factory=deque, init=False)
    _copies: list[CanaryAnswer] = field(default_factory=list, init=False)
    _lock: Lock = field(default_factory=Lock, init=False)

    def put(self, case: StableAnswer | CanaryAnswer) -> bool:
        """Take a note or a copy; tell whether there was room."""
        queue: deque[StableAnswer] | list[CanaryAnswer] = (
            self._notes if isinstance(case, StableAnswer) else self._copies
        )
        with self._lock:
            if len(queue) < self.bounds.waiting:
                queue.append(case)  # type: ignore[arg-type] # chosen by the type just above
                return True
        self.tally.dropped("stable" if isinstance(case, StableAnswer) else "canary", 1)
        return False

    def turn(self, at: float) -> float | None:
        """Do what is due at ``at``; return when the next turn is due, None if nothing waits."""
        try:
            self._post()
            self._meet(at)
        except StoreDown:
            # Without Redis the notes are of no use later; the copies may still meet theirs.
            self.tally.dropped("stable", self._forget_notes())
            self._put_off(at)
        self._give_up(at)
        with self._lock:
            if self._notes:
                return at
            return min((copy.due for copy in self._copies), default=None)

    def _post(self) -> None:
        with self._lock:
            notes = [self._notes.popleft() for _ in range(min(len(self._notes), self.bounds.at_once))]
        if not notes:
            return
        contents = {note.key: _content(note) for note in notes}
        try:
            self.board.post(contents, self.bounds.note_s)
        except StoreDown:
            self.tally.dropped("stable", len(contents))
            raise

    def _meet(self, at: float) -> None:
        with self._lock:
            due = [copy for copy in self._copies if copy.due <= at][: self.bounds.at_once]
        if not due:
            return
        found = self.board.take([copy.key for copy in due])
        met = [(copy, note) for copy, note in zip(due, found, strict=True) if note is not None]
        gone = {id(copy) for copy, _ in met}
        later = {
            id(copy): self._later(copy, at) for copy, note in zip(due, found, strict=True) if note is None
        }
        with self._lock:
            kept = (copy for copy in self._copies if id(copy) not in gone)
            self._copies = [later.get(id(copy), copy) for copy in kept]
        self._show([each for copy, note in met for each in self._compared(copy, note)])

    def _compared(self, copy: CanaryAnswer, note: bytes) -> Iterable[tuple[str, Example]]:
        """Count one comparison; yield it if it is one to keep."""
        version, _, content = note.partition(_SEPARATOR)
        stable, canary = unpacked(copy.task.answer, content), copy.answer
        if stable is None:
            return
        agreement = FAILED if canary is None else stable.compared(canary)
        self.tally.compared(copy.canary, copy.task.name, agreement)
        if agreement.disagreed:
            yield (
                copy.canary,
                example(
                    agreement,
                    at=self.now(),
                    versions=(version.decode(errors="replace"), copy.canary),
                    task=copy.task.name,
                    answers=(stable.shown(), "" if canary is None else canary.shown()),
                    query=copy.query,
                    request_id=copy.request_id,
                    trace_id=copy.trace_id,
                    pod=self.pod,
                    texts=self.texts,
                ),
            )

    def _show(self, found: Sequence[tuple[str, Example]]) -> None:
        for canary in {canary for canary, _ in found}:
            mine = (each for name, each in found if name == canary)
            worst = sorted(mine, key=lambda each: (each.severity, each.document))[-WORST:]
            self.board.show(canary, worst, WORST)

    def _later(self, copy: CanaryAnswer, at: float) -> CanaryAnswer:
        pause = min(2 * copy.pause_s or self.bounds.pause_s, self.bounds.longest_pause_s)
        return replace(copy, due=at + pause, pause_s=pause)

    def _put_off(self, at: float) -> None:
        pause = self.bounds.longest_pause_s
        with self._lock:
            self._copies = [replace(copy, due=max(copy.due, at + pause)) for copy in self._copies]

    def _give_up(self, at: float) -> None:
        """Let go of the copies that have waited long enough."""
        oldest = at - self.bounds.patience_s
        with self._lock:
            gone = [copy for copy in self._copies if copy.at < oldest]
            if gone:
                self._copies = [copy for copy in self._copies if copy.at >= oldest]
        for canary in {copy.canary for copy in gone}:
            self.tally.unmatched(canary, sum(copy.canary == canary for copy in gone))

    def _forget_notes(self) -> int:
        with self._lock:
            count = len(self._notes)
            self._notes.clear()
        return count


def _content(note: StableAnswer) -> bytes:
    return note.version.encode() + _SEPARATOR + note.answer.bare().pack()
