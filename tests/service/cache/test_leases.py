"""Two pods, many threads, one real Valkey."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from random import Random
from threading import Lock
from time import monotonic, sleep

import pytest
import redis

from service.cache.answers import AnswerCache, CacheStatus, Rules
from service.cache.breaker import Breaker
from service.cache.leases import Patience
from service.cache.redis import RedisStore
from service.cache.store import Guard
from tests.service.number import Number
from tests.support.processes import redis_server

_FRESH = count()


class Deaf:
    """An observer that does not listen."""

    def calling(self, _operation: str) -> AbstractContextManager[None]:
        return nullcontext()

    def looked_up(self, status: CacheStatus, answers: int) -> None: ...


class Engine:
    """Computes slowly, and counts what it computes."""

    def __init__(self, seconds: float = 0.05) -> None:
        self._seconds = seconds
        self._lock = Lock()
        self.computed: Counter[str] = Counter()

    def __call__(self, keys: Sequence[str], timeout_s: float) -> Mapping[str, Number]:
        assert timeout_s > 0
        with self._lock:
            self.computed.update(keys)
        sleep(self._seconds)
        return {key: Number(len(key)) for key in keys}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


def pod(url: str, **patience: float) -> AnswerCache:
    """Return the cache of one pod: its own connections, its own threads' flights."""
    guard = Guard(RedisStore.connect(url, 60.0), Breaker(monotonic), Deaf())
    rules = Rules(ttl_s=60, patience=Patience(**patience))
    return AnswerCache(guard, rules, observer=Deaf(), random=Random(1))


def fresh(*names: str) -> list[str]:
    """Return keys that no other test uses."""
    prefix = f"test:{next(_FRESH)}"
    return [f"{prefix}:{name}" for name in names]


def test_what_two_pods_and_many_threads_want_at_once_is_computed_once(url: str) -> None:
    pods, engine = [pod(url, lease_s=20), pod(url, lease_s=20)], Engine()
    keys = fresh("a", "b", "c")
    with ThreadPoolExecutor(32) as pool:
        asked = [pool.submit(pods[n % 2].answers, Number, keys, engine, 20) for n in range(64)]
        answers = {future.result()[0] for future in asked}
    assert answers == {tuple(Number(len(key)) for key in keys)}
    assert engine.computed == dict.fromkeys(keys, 1)


def test_batches_that_overlap_compute_each_text_once_and_never_block_each_other(url: str) -> None:
    pods, engine, random = [pod(url, lease_s=20), pod(url, lease_s=20)], Engine(0.005), Random(1)
    keys = fresh(*"abcdefghijklmnop")
    wanted = [random.sample(keys, random.randint(1, 8)) for _ in range(64)]
    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(pods[n % 2].answers, Number, some, engine, 20) for n, some in enumerate(wanted)]
        for some, future in zip(wanted, asked, strict=True):
            assert future.result()[0] == tuple(Number(len(key)) for key in some)
    assert set(engine.computed.values()) == {1}


def test_a_pod_that_died_at_work_holds_the_others_up_for_one_lease_at_most(url: str) -> None:
    (key,) = fresh("orphan")
    with redis.Redis.from_url(url) as client:
        client.set(f"{key}:lease", b"1", px=60_000)
    engine = Engine(0)
    assert pod(url, lease_s=0.05).answers(Number, [key], engine, 20)[0] == (Number(len(key)),)
    assert engine.computed == {key: 1}


def test_no_lease_is_left_and_every_key_expires(url: str) -> None:
    keys = fresh("a", "b")
    pod(url).answers(Number, keys, Engine(0), 20)
    with redis.Redis.from_url(url) as client:
        assert not any(client.exists(f"{key}:lease") for key in keys)
        assert all(54 <= client.ttl(key) <= 60 for key in keys)


def test_a_lease_that_ran_out_is_not_taken_from_who_has_it_now(url: str) -> None:
    (key,) = fresh("slow")

    def compute(keys: Sequence[str], _timeout_s: float) -> Mapping[str, Number]:
        sleep(0.1)
        with redis.Redis.from_url(url) as client:
            client.set(f"{key}:lease", b"1", px=60_000)  # the next pod's
        return dict.fromkeys(keys, Number(1))

    pod(url, lease_s=0.05).answers(Number, [key], compute, 20)
    with redis.Redis.from_url(url) as client:
        assert client.exists(f"{key}:lease")


def test_a_value_that_nobody_can_keep_is_computed_by_each_in_turn(url: str) -> None:
    (key,) = fresh("large")
    guard = Guard(RedisStore.connect(url, 60.0), Breaker(monotonic), Deaf())
    cache = AnswerCache(guard, Rules(max_bytes=1), observer=Deaf(), random=Random(1))
    engine = Engine(0)
    assert [cache.answers(Number, [key], engine, 20)[1] for _ in range(2)] == [CacheStatus.MISS] * 2
    assert engine.computed == {key: 2}
