"""Measures what the mesh carries: clients that never pause, for some seconds."""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from random import Random
from statistics import median

from bertmesh.demo.pace import Capacity
from bertmesh.demo.traffic import Response, Sender

CLIENTS = 4
# The first second is not counted: the pods have not yet met sentences of every length.
WARM_S, SECONDS, LONGEST_S = 1.0, 4.0, 30.0
ENOUGH = 60


def measure_capacity(
    gateway: str,
    sentences: Sequence[str],
    *,
    seed: int,
    headers: Mapping[str, str] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Capacity:
    """Return what ``CLIENTS`` clients of ``gateway`` (a URL) got that always send the next request at once.

    It takes ``SECONDS``, or longer where answers are few.
    """
    begin = clock()
    answers: list[Response] = []

    def over() -> bool:
        spent = clock() - begin - WARM_S
        return spent >= LONGEST_S or (spent >= SECONDS and len(answers) >= ENOUGH)

    def ask(number: int) -> None:
        sender = Sender(gateway, sentences, Random(seed + number), headers or {})
        while not over():
            answer = sender.send(*sender.request())
            if clock() - begin >= WARM_S and not answer.failed:
                answers.append(answer)

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(ask, range(CLIENTS)))
    counted_s = clock() - begin - WARM_S
    typical_s = median(answer.seconds for answer in answers) if answers else 0.0
    return Capacity(CLIENTS, len(answers) / counted_s, typical_s)
