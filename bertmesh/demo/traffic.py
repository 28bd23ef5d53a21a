"""Steady open-loop traffic through the gateway, with a record of every answer."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from random import Random

import urllib3

from bertmesh.demo.sentences import masked
from observability.names import VERSION_HEADER

SERVER_ERROR = 500
CLIENT_THREADS = 24
# Shares of the three endpoints in the traffic.
TASKS = (("fill-mask", 0.6), ("semantic-similarity", 0.2), ("feature-extraction", 0.2))


@dataclass(frozen=True)
class Answer:
    """What one request got. ``status`` 0 means no answer came at all; times are unix seconds."""

    sent_at: float
    seconds: float
    task: str
    status: int
    version: str
    problem: str = ""

    @property
    def failed(self) -> bool:
        """A failure in the client's eyes: no answer, or a server error."""
        return self.status == 0 or self.status >= SERVER_ERROR

    @property
    def at(self) -> float:
        """When the answer was complete."""
        return self.sent_at + self.seconds


class Traffic:
    """Sends requests at a steady rate from a thread of its own until stopped."""

    def __init__(
        self,
        gateway: str,
        sentences: Sequence[str],
        *,
        rate: float,
        random: Random,
        headers: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to send ``rate`` requests a second, with exponential gaps, to ``gateway`` (a URL)."""
        self._gateway = gateway
        self._sentences = sentences
        self._rate = rate
        self._random = random
        self._headers = {"content-type": "application/json", **(headers or {})}
        self._clock = clock
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._http = urllib3.PoolManager(maxsize=CLIENT_THREADS, retries=False, timeout=10.0)
        self._thread = threading.Thread(target=self._send_all, name="traffic")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more and wait for the answers still out."""
        self._stop.set()
        self._thread.join()

    def answers(self, since: float = 0.0, until: float = float("inf")) -> list[Answer]:
        """Return the answers to requests that were sent in [since, until)."""
        with self._lock:
            return [answer for answer in self._answers if since <= answer.sent_at < until]

    def _send_all(self) -> None:
        with ThreadPoolExecutor(CLIENT_THREADS) as pool:
            due = time.monotonic()
            while not self._stop.is_set():
                pool.submit(self._send, *self._next_request())
                due += self._random.expovariate(self._rate)
                self._stop.wait(max(0.0, due - time.monotonic()))

    def _next_request(self) -> tuple[str, dict[str, str]]:
        task = self._random.choices([name for name, _ in TASKS], [share for _, share in TASKS])[0]
        text = self._random.choice(self._sentences)
        if task == "fill-mask":
            return task, {"text": masked(text, self._random)}
        if task == "semantic-similarity":
            return task, {"text": text, "text_pair": self._random.choice(self._sentences)}
        return task, {"text": text}

    def _send(self, task: str, body: dict[str, str]) -> None:
        sent_at, begin = self._clock(), time.perf_counter()
        status, version, problem = self._post(task, body)
        answer = Answer(sent_at, time.perf_counter() - begin, task, status, version, problem)
        with self._lock:
            self._answers.append(answer)

    def _post(self, task: str, body: dict[str, str]) -> tuple[int, str, str]:
        try:
            response = self._http.request(
                "POST",
                f"{self._gateway}/{task}",
                body=json.dumps(body, ensure_ascii=False).encode(),
                headers=self._headers,
            )
        except urllib3.exceptions.HTTPError as error:
            return 0, "", type(error).__name__
        problem = response.data.decode("utf-8", "replace")[:300] if response.status >= SERVER_ERROR else ""
        return response.status, response.headers.get(VERSION_HEADER, ""), problem
