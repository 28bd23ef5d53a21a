"""Traffic through the gateway at a chosen rate, with a record of every answer.

It eases off where the machine is busy: what cannot be sent in time is left out, not piled up.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import takewhile
from random import Random

import urllib3

from bertmesh.demo.pace import Pace, look
from bertmesh.demo.sentences import masked
from observability.names import VERSION_HEADER

CLIENT_ERROR, TOO_MANY = 400, 429
CLIENT_THREADS = 24
LOOK_EVERY_S = 1.0
# So much of a delay is made up for; what was due before is left out.
CATCH_UP_S = 0.1
# Shares of the three endpoints in the traffic.
TASKS = (("fill-mask", 0.6), ("semantic-similarity", 0.2), ("feature-extraction", 0.2))


@dataclass(frozen=True)
class Response:
    """What one request got. ``status`` 0 means no answer came at all; times are unix seconds."""

    sent_at: float
    seconds: float
    task: str
    status: int
    version: str

    @property
    def failed(self) -> bool:
        """A failure in the client's eyes: no answer or an error, but for "come again later".

        Nothing that the demo asks is the client's fault.
        """
        return self.status == 0 or (self.status >= CLIENT_ERROR and self.status != TOO_MANY)

    @property
    def answered_at(self) -> float:
        """When the answer was there, or the request was given up."""
        return self.sent_at + self.seconds


@dataclass
class Sender:
    """Makes requests of sentences and sends them to ``gateway`` (a URL); any thread may send."""

    gateway: str
    sentences: Sequence[str]
    random: Random
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._http = urllib3.PoolManager(1, self.headers, maxsize=CLIENT_THREADS, retries=False, timeout=10.0)

    def request(self) -> tuple[str, dict[str, str]]:
        """Draw the next request: one of the three endpoints, and the body that is sent to it as JSON."""
        task = self.random.choices([name for name, _ in TASKS], [share for _, share in TASKS])[0]
        text = self.random.choice(self.sentences)
        if task == "fill-mask":
            return task, {"text": masked(text, self.random)}
        if task == "semantic-similarity":
            return task, {"text": text, "text_pair": self.random.choice(self.sentences)}
        return task, {"text": text}

    def send(self, task: str, body: Mapping[str, str]) -> Response:
        """Send a request and wait for its answer."""
        sent_at, begin, status, version = time.time(), time.perf_counter(), 0, ""
        with suppress(urllib3.exceptions.HTTPError):
            response = self._http.request("POST", f"{self.gateway}/{task}", json=body)
            status, version = response.status, response.headers.get(VERSION_HEADER, "")
        return Response(sent_at, time.perf_counter() - begin, task, status, version)


class Traffic:
    """Sends requests from a thread of its own until stopped."""

    def __init__(
        self,
        gateway: str,
        sentences: Sequence[str],
        *,
        rate: float,
        random: Random,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Prepare to send ``rate`` requests a second, with exponential gaps, to ``gateway`` (a URL)."""
        self.pace = Pace(rate, rate)
        """What is sent now, and the least that has been sent."""
        self._sender = Sender(gateway, sentences, random, headers or {})
        self._random = random
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._answers: list[Response] = []
        self._under_way = 0
        self._left_out = 0
        self._thread = threading.Thread(target=self._send_all, name="traffic")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send no more and wait for the answers still out."""
        self._stop.set()
        self._thread.join()

    def answers(self, since: float = 0.0, until: float = float("inf")) -> list[Response]:
        """Return the answers to requests that were sent in [since, until)."""
        with self._lock:
            known = list(self._answers)
        return [answer for answer in known if since <= answer.sent_at < until]

    def _send_all(self) -> None:
        with ThreadPoolExecutor(CLIENT_THREADS) as pool:
            due = looked = time.monotonic()
            while not self._stop.is_set():
                now = time.monotonic()
                if now - looked >= LOOK_EVERY_S:
                    self._look(now - looked)
                    looked = now
                self._send_one(pool)
                due = max(due, now - CATCH_UP_S) + self._random.expovariate(self.pace.rate)
                self._stop.wait(max(0.0, due - time.monotonic()))

    def _look(self, seconds: float) -> None:
        since = time.time() - seconds
        with self._lock:
            # The list is in the order in which the answers came.
            known = takewhile(lambda it: it.answered_at >= since, reversed(self._answers))
            recent = [answer.seconds for answer in known]
            under_way, left_out, self._left_out = self._under_way, self._left_out, 0
        self.pace = self.pace.after(look(recent, seconds, waiting=under_way, left_out=left_out))

    def _send_one(self, pool: ThreadPoolExecutor) -> None:
        with self._lock:
            if self._under_way >= CLIENT_THREADS:
                self._left_out += 1
                return
            self._under_way += 1
        pool.submit(self._send, *self._sender.request())

    def _send(self, task: str, body: Mapping[str, str]) -> None:
        answer = self._sender.send(task, body)
        with self._lock:
            self._answers.append(answer)
            self._under_way -= 1
