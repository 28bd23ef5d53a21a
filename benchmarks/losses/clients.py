"""Clients that count what they lose: none of them ever sends a request again."""

import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from threading import Event, Thread

OK = 200
PATIENCE_S = 5.0
"""A request that has no answer after so long is lost."""
ASKED = {"text": "今天天气很[MASK]。", "top_k": 1}
BODY = json.dumps(ASKED).encode()
JSON = {"Content-Type": "application/json"}
TASK = "/fill-mask"
RIGHT = "多"


@dataclass
class Seen:
    """What came back: how often it was right, how it failed otherwise, and the longest wait in seconds."""

    right: int = 0
    wrong: int = 0
    lost: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    def add(self, other: "Seen") -> None:
        """Count in what another client saw."""
        self.right += other.right
        self.wrong += other.wrong
        self.lost += other.lost
        self.slowest = max(self.slowest, other.slowest)


class Client:
    """Asks one port over and over on a thread of its own, until it is refused or told to stop.

    ``pause_s`` is how long it rests at most between two requests; ``kept`` whether it keeps its connection.
    """

    def __init__(self, port: int, *, pause_s: float = 0.02, kept: bool = True) -> None:
        self.seen = Seen()
        self._over = Event()
        self._pause_s, self._kept, self._port = pause_s, kept, port
        self._thread = Thread(target=self._work, daemon=True)
        self._thread.start()

    def stop(self) -> Seen:
        """End after the request under way; return what was seen."""
        self._over.set()
        self._thread.join()
        return self.seen

    def _work(self) -> None:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        drawn = random.Random(self._port)
        while not self._over.wait(drawn.random() * self._pause_s):
            try:
                if connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                return  # nobody is there any more: said before a request was sent
            except OSError as error:
                self.seen.lost[type(error).__name__] += 1
                return
            self._ask(connection)
            if not self._kept:
                connection.close()

    def _ask(self, connection: HTTPConnection) -> None:
        begun = time.monotonic()
        try:
            connection.request("POST", TASK, BODY, JSON)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, HTTPException, ValueError) as error:
            self.seen.lost[type(error).__name__] += 1
            connection.close()
            return
        finally:
            self.seen.slowest = max(self.seen.slowest, time.monotonic() - begun)
        if answer.status != OK:
            self.seen.lost[str(answer.status)] += 1
        elif document["result"][0]["token"] == RIGHT:
            self.seen.right += 1
        else:
            self.seen.wrong += 1
