"""Two pods, a Redis, and requests as the gateway sends them and their copies."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis
from flask.testing import FlaskClient

from service.api.app import wrap
from service.pod.assembly import Pod, build
from service.pod.settings import Settings
from tests.service.conftest import Tiny
from tests.support.processes import redis_server, wait_until

FILL = {"text": "中国的首都是[MASK]。"}
BOTH = {"x-bertmesh-route": "1.0", "x-bertmesh-shadow": "1.1"}


@dataclass(frozen=True)
class Pair:
    """A stable's pod and a canary's that answers wrongly, at one Redis."""

    stable: FlaskClient
    canary: FlaskClient
    pods: tuple[Pod, Pod]
    redis: Any

    def ask(self, request_id: str, path: str = "/fill-mask", body: object = FILL, **headers: str) -> None:
        """Send a request to the stable and its copy to the canary."""
        for client in (self.stable, self.canary):
            told = {**BOTH, "x-request-id": request_id, **headers}
            assert client.post(path, json=body, headers=told).status_code == 200

    def shown(self, client: FlaskClient | None = None) -> dict[str, float]:
        """Return the samples that the canary counts of comparisons."""
        text = (client or self.canary).get("/metrics").text
        lines = (line.rpartition(" ") for line in text.splitlines() if line.startswith("bertmesh_shadow"))
        return {name: float(value) for name, _, value in lines}

    def count(self, name: str) -> float:
        return sum(value for key, value in self.shown().items() if key.startswith(f"bertmesh_shadow_{name}"))

    @property
    def worst(self) -> list[dict[str, Any]]:
        return [orjson.loads(row) for row in self.redis.zrange("bertmesh:shadow:worst:1.1", 0, -1)]


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with redis_server(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture
def pair(tiny: Tiny, redis_url: str) -> Iterator[Pair]:
    yield from paired(tiny, redis_url)


@pytest.fixture
def open_pair(tiny: Tiny, redis_url: str) -> Iterator[Pair]:
    yield from paired(tiny, redis_url, BERTMESH_SHADOW_TEXTS="1")


def paired(tiny: Tiny, redis_url: str, **more: str) -> Iterator[Pair]:
    both = {
        "BERTMESH_MODEL": str(tiny.folder),
        "BERTMESH_MODELS_DIR": str(tiny.folder.parent),
        "BERTMESH_CACHE_DIR": str(tiny.folder.parent),
        "BERTMESH_REDIS_URL": redis_url,
        "BERTMESH_HOME_KIND": "local",
        **more,
    }
    stable = build(Settings.from_env({**both, "BERTMESH_VERSION": "1.0"}))
    canary = build(Settings.from_env({**both, "BERTMESH_VERSION": "1.1", "BERTMESH_FAULT": "wrong=1"}))
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        try:
            for pod in (stable, canary):
                pod.load()
            yield Pair(wrap(stable).test_client(), wrap(canary).test_client(), (stable, canary), client)
        finally:
            stable.close()
            canary.close()


def test_a_canary_that_answers_otherwise_is_found_out(pair: Pair) -> None:
    for number in range(30):
        pair.ask(f"request-{number}")
    wait_until(lambda: pair.count("compared") == 30, "all copies are compared")
    assert pair.count("disagreed") == pair.count("flipped") == 30
    assert pair.count("unmatched") == 0
    assert len(pair.worst) == 20
    assert {row["text"] for row in pair.worst} == {""}
    assert "首都" not in str(pair.worst)
    assert pair.worst[0]["request_id"].startswith("request-")
    assert pair.redis.ttl("bertmesh:shadow:worst:1.1") > 3600
    assert pair.redis.keys("bertmesh:shadow:note:*") == []


def test_texts_are_kept_where_the_pods_are_told_so(open_pair: Pair) -> None:
    open_pair.ask("one", traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    wait_until(lambda: open_pair.worst, "the example is kept")
    [example] = open_pair.worst
    assert example["text"] == FILL["text"]
    assert example["trace_id"] == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert example["pod"] == open_pair.pods[1].settings.pod


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/feature-extraction", {"text": ["我喜欢看书", "天气很好"]}),
        ("/semantic-similarity", {"text": "我喜欢看书", "text_pair": "我喜欢看书"}),
    ],
)
def test_each_task_is_compared_once_a_request(pair: Pair, path: str, body: object) -> None:
    for number in range(4):
        pair.ask(f"{path}-{number}", path, body)
    wait_until(lambda: pair.count("compared") == 4, "all copies are compared")
    assert {key for key in pair.shown() if "compared" in key} == {
        f'bertmesh_shadow_compared_total{{model_version="1.1",task="{path[1:]}"}}'
    }


def test_without_the_routes_word_nothing_is_done(pair: Pair) -> None:
    for client in (pair.stable, pair.canary):
        assert client.post("/fill-mask", json=FILL, headers={"x-bertmesh-route": "1.0"}).status_code == 200
    assert not pair.shown()
    assert pair.pods[0].shadow is not None
    assert pair.redis.keys("bertmesh:shadow:*") == []


def test_a_canarys_own_request_is_no_copy(pair: Pair) -> None:
    own = {"x-bertmesh-route": "1.1", "x-bertmesh-shadow": "1.1", "x-request-id": "own"}
    assert pair.canary.post("/fill-mask", json=FILL, headers=own).status_code == 200
    pair.ask("copied")
    wait_until(lambda: pair.count("compared") == 1, "the copy is compared")
    assert pair.count("unmatched") == pair.count("dropped") == 0


def test_a_bad_request_is_nobodys_disagreement(pair: Pair) -> None:
    for client in (pair.stable, pair.canary):
        sent = client.post("/fill-mask", json={"text": "无"}, headers={**BOTH, "x-request-id": "bad"})
        assert sent.status_code == 422
    pair.ask("good")
    wait_until(lambda: pair.count("compared") == 1, "the good one is compared")
    assert pair.count("compared") == 1


def test_requests_are_answered_while_redis_is_away(tiny: Tiny, tmp_path: Path) -> None:
    with ExitStack() as stack:
        with redis_server(tmp_path) as url:
            pair = stack.enter_context(contextmanager(paired)(tiny, url))
        pair.ask("nobody-remembers")
        wait_until(lambda: "dropped" in str(pair.shown(pair.stable)), "the note is dropped")
