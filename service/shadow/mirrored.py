"""Shadow agreement: a canary's answers to copies of requests, compared with the stable's to the requests.

The route tells both sides. A request of which a copy may go to a canary carries that canary's name in
`SHADOW_HEADER`, and the copy carries the same headers. So the stable's pod leaves a note of what it
answered, in Redis for a few seconds; the canary's pod looks for the note of the same request and counts
whether the two agree. While nothing is mirrored, there is no header and nothing is done.
"""

import hashlib
import logging
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Final

import orjson

from service.shadow.comparer import CanaryAnswer, Comparer, StableAnswer
from service.tasks.base import Answer, Query, Task

GATHER_S: Final = 0.02
"""For how long cases are gathered before they are dealt with together."""
AFTER_FAILURE_S: Final = 1.0
_NOTE: Final = "bertmesh:shadow:note:"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MirroredRequest:
    """A request as both sides see it: the same headers, the same questions."""

    request_id: str
    canary: str
    mirrored: bool
    trace_id: str
    task: Task
    queries: Sequence[Query]

    @property
    def chosen(self) -> int:
        """Which of its answers is compared: one of each request, so that comparisons are independent."""
        return zlib.crc32(self.request_id.encode()) % len(self.queries)

    @property
    def key(self) -> str:
        """Where the note lies; the question is hashed in, should somebody use an id twice."""
        query = self.queries[self.chosen]
        parts = orjson.dumps([self.request_id, self.task.name, self.task.parameters, query.text, query.pair])
        return f"{_NOTE}{self.canary}:{hashlib.blake2b(parts, digest_size=16).hexdigest()}"


class AnswerObserver:
    """Tells the comparer how one request was answered; costs a hash and a place in a queue."""

    def __init__(self, asked: MirroredRequest, deployed: str, shadow: "ShadowComparison") -> None:
        self._asked = asked
        self._deployed = deployed
        self._shadow = shadow

    def answered(self, answers: Sequence[Answer]) -> None:
        """Note what was answered, or have it compared."""
        answer = answers[self._asked.chosen]
        if self._asked.mirrored:
            self._shadow.put(self._copy(answer))
        else:
            self._shadow.put(StableAnswer(self._asked.key, self._deployed, answer))

    def failed(self) -> None:
        """Have it counted that the canary failed, if the stable did not."""
        if self._asked.mirrored:
            self._shadow.put(self._copy(None))

    def _copy(self, answer: Answer | None) -> CanaryAnswer:
        asked, at = self._asked, self._shadow.clock()
        return CanaryAnswer(
            key=asked.key,
            canary=asked.canary,
            task=asked.task,
            query=asked.queries[asked.chosen],
            answer=answer,
            request_id=asked.request_id,
            trace_id=asked.trace_id,
            at=at,
            due=at,
        )


class ShadowComparison:
    """One pod's part in comparing; its thread begins with the first case and ends with `close`."""

    def __init__(self, comparer: Comparer, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._comparer = comparer
        self._changed = Condition()
        self._thread: Thread | None = None
        self._news = False
        self._closed = False

    def witness(self, asked: MirroredRequest, deployed: str) -> AnswerObserver | None:
        """Return who is to be told of the answers; None if they are nobody's business.

        ``deployed`` is the version that the mesh knows this pod as.
        """
        ours = asked.canary == deployed if asked.mirrored else asked.canary != deployed
        return AnswerObserver(asked, deployed, self) if ours else None

    def close(self) -> None:
        """End the thread; what waits is not compared any more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join()

    def put(self, case: StableAnswer | CanaryAnswer) -> None:
        """Take a case; what finds no room is dropped and counted."""
        if not self._comparer.put(case):
            return
        with self._changed:
            self._news = True
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._loop, name="shadow", daemon=True)
                self._thread.start()
            self._changed.notify()

    def _loop(self) -> None:
        due: float | None = None
        while self._waited(due):
            try:
                due = self._comparer.turn(self.clock())
            except Exception:
                log.exception("comparing failed; the requests themselves were answered")
                due = self.clock() + AFTER_FAILURE_S

    def _waited(self, due: float | None) -> bool:
        """Wait for news or for the time; tell whether to go on."""
        with self._changed:
            left = None if due is None else max(0.0, due - self.clock())
            self._changed.wait_for(lambda: self._news or self._closed, left)
            # A few more may come: one round trip is for all of them.
            self._changed.wait_for(lambda: self._closed, GATHER_S)
            self._news = False
            return not self._closed
