"""Questions to Prometheus in bounded time: nobody waits long for a system that does not answer.

While it answers, whoever asks waits for the answer, as long as an answer may take. Once it has failed, one
question at a time is still sent, in a thread of its own, and all others hear at once what was heard last. So
a Prometheus that is away or slow costs a pass over a rollout a moment, and those that need none nothing.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final, TypeVar

from canary.errors import MetricsDown

T = TypeVar("T")
MOMENT_S: Final = 0.2
WORKERS: Final = 8


@dataclass
class BoundedCaller:
    """Runs what asks the Prometheus at ``url``; an answer may take ``timeout_s``."""

    url: str
    timeout_s: float
    monotonic: Callable[[], float] = time.monotonic
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(WORKERS, "prometheus"))
    _trouble: str = ""
    _busy: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, ask: Callable[[], T]) -> "Future[T]":
        """Send a question on its way.

        Raises:
            MetricsDown: the last one failed, and another is on its way already.
        """
        with self._lock:
            if self._trouble and self._busy:
                raise MetricsDown(self.url, self._trouble)
            self._busy += 1
        return self.workers.submit(self._run, ask)

    def wait(self, answer: "Future[T]") -> T:
        """Return an answer when it is there.

        Raises:
            MetricsDown: there is none, or not in time.
        """
        try:
            return answer.result(MOMENT_S if self._trouble else self.timeout_s)
        except TimeoutError as error:
            with self._lock:
                self._trouble = self._trouble or f"no answer in {self.timeout_s:g} s"
                raise MetricsDown(self.url, self._trouble) from error

    def close(self) -> None:
        """End the threads, without waiting for what is on its way."""
        self.workers.shutdown(wait=False, cancel_futures=True)

    def _run(self, ask: Callable[[], T]) -> T:
        begun, trouble = self.monotonic(), ""
        try:
            answer = ask()
            if self.monotonic() - begun > self.timeout_s:
                trouble = f"an answer took over {self.timeout_s:g} s"
        except MetricsDown as error:
            trouble = error.seen
            raise
        else:
            return answer
        finally:
            with self._lock:
                self._trouble, self._busy = trouble, self._busy - 1
