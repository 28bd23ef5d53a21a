"""What clients see of a real Envoy when pods fail."""

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Self

import pytest

from mesh.model import Split
from mesh.policy import Policy, Retries
from tests.support.gateway import Gateway, gateway
from tests.support.pods import FakePod, pods
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow


class Load:
    """Clients that send requests one after the other until they are told to end."""

    def __init__(self, gateway: Gateway, clients: int = 4) -> None:
        self.statuses: Counter[int] = Counter()
        self._gateway = gateway
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self) -> None:
        while not self._stop.is_set():
            self.statuses[self._gateway.call().status] += 1

    def await_more(self, count: int) -> None:
        until = self.statuses.total() + count
        wait_until(lambda: self.statuses.total() >= until, f"{count} more requests")


def test_a_request_whose_connection_breaks_is_tried_again_elsewhere(tmp_path: Path) -> None:
    with pods("1.0", "1.0") as (one, two), gateway(tmp_path, {"1.0": [one, two]}, Split("1.0")) as here:
        one.does.resets = 5
        assert Counter(here.call().status for _ in range(20)) == {200: 20}
        assert one.does.resets < 5
        one.does.status = 503
        assert Counter(here.call().status for _ in range(20)) == {200: 20}


def test_a_pod_that_dies_under_load_costs_no_request_and_is_taken_out(tmp_path: Path) -> None:
    with pods("1.0", "1.0") as (one, two), gateway(tmp_path, {"1.0": [one, two]}, Split("1.0")) as here:
        with Load(here) as load:
            load.await_more(300)
            one.kill()
            load.await_more(300)
            here.await_healthy("1.0", 1)
            load.await_more(300)
        assert load.statuses == {200: load.statuses.total()}


def test_a_pod_is_exchanged_under_load_without_a_failed_request(tmp_path: Path) -> None:
    with pods("1.0", "1.0") as (old, new), gateway(tmp_path, {"1.0": [old]}, Split("1.0")) as here:
        with Load(here) as load:
            load.await_more(200)
            here.set_pods("1.0", [old, new])
            here.set_pods("1.0", [new])
            load.await_more(50)  # what the old pod had in hand
            seen = len(old.seen)
            load.await_more(200)
            assert len(old.seen) == seen
            old.kill()
            load.await_more(200)
        assert load.statuses == {200: load.statuses.total()}


def test_a_pod_that_says_it_is_not_ready_gets_no_requests(tmp_path: Path) -> None:
    with pods("1.0", "1.0") as (one, two), gateway(tmp_path, {"1.0": [one, two]}, Split("1.0")) as here:
        one.does.ready = False
        here.await_healthy("1.0", 1)
        one.seen.clear()
        assert Counter(here.call().status for _ in range(20)) == {200: 20}
        assert one.seen == []
        one.does.ready = True
        here.await_healthy("1.0", 2)


def statuses_while_one_is_away(here: Gateway, count: int) -> Counter[int]:
    """Return what requests get while Envoy counts one healthy pod, before and after each of them.

    A pod that is ejected and answers its health check comes back within a second, and goes again after five
    more failures. The first request of each such time does not count: Envoy counts on one thread and ejects
    on another.
    """
    seen: Counter[int] = Counter()
    away = False

    def enough() -> bool:
        nonlocal away
        before = here.admin.members("1.0").healthy
        status = here.call().status
        now = before == here.admin.members("1.0").healthy == 1
        if now and away:
            seen[status] += 1
        away = now
        return seen.total() >= count

    wait_until(enough, f"{count} requests while one pod is away")
    return seen


def test_a_pod_that_fails_five_times_in_a_row_is_ejected(tmp_path: Path) -> None:
    with pods("1.0", "1.0") as (one, two), gateway(tmp_path, {"1.0": [one, two]}, Split("1.0")) as here:
        one.does.status = 500
        wait_until(lambda: here.call() and len(one.seen) >= 5, "five requests at the failing pod")
        assert statuses_while_one_is_away(here, 30) == {200: 30}


def _nobody_ready(pod: FakePod, here: Gateway) -> None:
    pod.does.ready = False
    here.await_healthy("1.0", 0)


def _breaks(pod: FakePod, _: Gateway) -> None:
    pod.does.resets = 9


def _refuses(pod: FakePod, _: Gateway) -> None:
    pod.kill()


def _slow(pod: FakePod, _: Gateway) -> None:
    pod.does.delay_s = 0.6


@pytest.mark.parametrize(
    ("harm", "status", "says"),
    [
        (_nobody_ready, 503, "no pod of version 1.0 is ready: try again"),
        (_breaks, 503, "the pod of version 1.0 closed the connection before it answered: try again"),
        (_refuses, 503, "no pod of version 1.0 could be reached: try again"),
        (_slow, 504, "version 1.0 did not answer within 0.5 s"),
    ],
)
def test_each_failure_of_the_gateway_is_a_problem_document(
    harm: Callable[[FakePod, Gateway], None], status: int, says: str, tmp_path: Path
) -> None:
    policy = Policy(timeout_s=0.5, retries=Retries(attempts=1, per_try_timeout_s=0.4))
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0"), policy=policy) as here:
        harm(pod, here)
        answer = here.call()
    assert answer.status == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json == {
        "type": "about:blank",
        "title": {503: "Service Unavailable", 504: "Gateway Timeout"}[status],
        "status": status,
        "detail": says,
    }
    assert answer.headers.get("retry-after") == ("1" if status == 503 else None)
    assert answer.headers["x-request-id"]


def test_an_error_of_the_pod_passes_unchanged(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        for status in (400, 404, 413, 429, 500):
            pod.does.status = status
            answer = here.call()
            assert (answer.status, answer.json["version"]) == (status, "1.0")
