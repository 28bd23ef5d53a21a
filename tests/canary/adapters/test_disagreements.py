"""The worst disagreements, as the pods leave them in Redis and people read them."""

from collections.abc import Iterator

import pytest
import redis

from bertmesh.local.ports import free_port
from canary.adapters.disagreements import Disagreement, worst
from canary.errors import ShadowUnreadable
from service.shadow.example import example
from service.shadow.redis import Example, RedisAnswerStore
from service.tasks.agreement import Agreement
from service.tasks.base import Query
from tests.support.processes import redis_server


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def one(severity: float, at: float = 1.0) -> Example:
    return example(
        Agreement(disagreed=True, flipped=True, severity=severity, sentence="nothing in common"),
        at=at,
        versions=("1.0", "1.1"),
        task="fill-mask",
        answers=("好 0.600", "坏 0.600"),
        query=Query("服[MASK]很好。"),
        request_id="r-1",
        trace_id="t-1",
        pod="bert-1.1-0",
        texts=False,
    )


def test_what_pods_write_is_read_the_most_severe_first(url: str) -> None:
    board = RedisAnswerStore(url, 1.0)
    for severity in (0.3, 0.9, 0.6):
        board.show("1.1", [one(severity)], 20)
    board.close()
    found = worst(url, "1.1")
    assert [each.severity for each in found] == [0.9, 0.6, 0.3]
    assert found[0] == Disagreement(
        at=1.0,
        canary="1.1",
        stable="1.0",
        task="fill-mask",
        severity=0.9,
        request_id="r-1",
        trace_id="t-1",
        pod="bert-1.1-0",
        text="",
        about="10 characters, sha256 e41112fb9005",
        stable_answer="好 0.600",
        canary_answer="坏 0.600",
        sentence="nothing in common",
    )
    assert worst(url, "1.1", limit=1) == found[:1]
    assert worst(url, "1.2") == ()


def test_only_the_worst_stay_and_among_equals_the_newest(url: str) -> None:
    board = RedisAnswerStore(url, 1.0)
    board.show("2.0", [one(0.1), *(one(1.0, at=1000.0 + second) for second in range(9))], 4)
    board.show("2.0", [one(0.5)], 4)
    board.close()
    assert [each.at for each in worst(url, "2.0")] == [1008.0, 1007.0, 1006.0, 1005.0]


def test_what_another_release_wrote_is_passed_over(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.zadd("bertmesh:shadow:worst:3.0", {b"{}": 1.0, b"nonsense": 2.0, b"[1]": 3.0})
    assert worst(url, "3.0") == ()


@pytest.mark.parametrize("url", ["redis://127.0.0.1:{port}/0", "http://127.0.0.1"])
def test_a_redis_that_is_away_is_said_in_a_sentence(url: str) -> None:
    with pytest.raises(ShadowUnreadable, match="rollouts do not depend on them"):
        worst(url.format(port=free_port()), "1.1")
