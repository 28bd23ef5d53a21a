"""The pod as it runs: gunicorn as a child process, and a real Redis."""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import pytest
import redis
import torch
import urllib3
from safetensors.torch import load_file, save_file

import modelstore
from bertmesh.local.ports import free_port
from bertmesh.local.processes import Child, Command
from mesh.local.binaries import find_redis
from mesh.local.settings import Settings as MeshSettings
from mesh.policy import ConnectionPool
from tests.service.conftest import Tiny
from tests.support.pod_settings import keepalive_s
from tests.support.processes import answers, pings, running, wait_until

pytestmark = pytest.mark.slow

WORDS = [
    sys.executable,
    "-m",
    "gunicorn",
    "-c",
    "python:service.server.gunicorn_conf",
    "service.api.app:create_app()",
]
FILL = {"text": "中国的首都是[MASK]。"}
HTTP = urllib3.PoolManager(maxsize=64, retries=False, timeout=30)


@dataclass(frozen=True)
class Running:
    """A pod that runs."""

    url: str
    child: Child

    def fill(self, text: str = "中国的首都是[MASK]。") -> urllib3.BaseHTTPResponse:
        return HTTP.request("POST", f"{self.url}/fill-mask", json={"text": text})

    def status(self, path: str) -> int:
        return HTTP.request("GET", f"{self.url}{path}").status

    def metrics(self) -> str:
        return HTTP.request("GET", f"{self.url}/metrics").data.decode()

    def exit_code(self) -> int:
        wait_until(lambda: self.child.exit_code() is not None, "the pod has ended")
        code = self.child.exit_code()
        assert code is not None
        return code


def environment(tiny: Tiny, port: int, changes: Mapping[str, str]) -> dict[str, str]:
    defaults = {
        "BERTMESH_BIND": f"127.0.0.1:{port}",
        "BERTMESH_MODEL": str(tiny.folder),
        "BERTMESH_CACHE_DIR": str(tiny.folder.parent),
        "BERTMESH_THREADS": "1",
        "BERTMESH_HOME_KIND": "local",
        "BERTMESH_CACHE_LOCAL_BYTES": "0",  # so that each request comes to Redis, or to the model
        "BERTMESH_REDIS_TIMEOUT_MS": "1000",  # a busy machine is no cache that is away
    }
    return defaults | dict(changes)


@contextmanager
def running_pod(tiny: Tiny, folder: Path, **changes: str) -> Iterator[Running]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    env = environment(tiny, port, {f"BERTMESH_{name}": value for name, value in changes.items()})
    with running("pod", WORDS, folder=folder, ready=answers(f"{url}/readyz"), environment=env) as child:
        yield Running(url, child)


@contextmanager
def real_redis(folder: Path, port: int) -> Iterator[Child]:
    """Run a Redis on this port."""
    folder.mkdir(exist_ok=True)
    binary = find_redis(MeshSettings.from_environment(os.environ))
    words = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with running("redis", words, folder=folder, ready=pings(redis_url(port))) as child:
        yield child


def redis_url(port: int) -> str:
    return f"redis://127.0.0.1:{port}/0"


def test_keep_alive_outlasts_envoys_idle_time() -> None:
    assert keepalive_s() > ConnectionPool().idle_timeout_s


def test_a_pod_that_is_told_to_end_turns_unready_first_and_loses_no_request(
    tiny: Tiny, tmp_path: Path
) -> None:
    told = Event()
    with running_pod(tiny, tmp_path, DRAIN_S="1") as pod, ThreadPoolExecutor(8) as pool:

        def work(_: int) -> Counter[int]:
            """Ask until the pod says that it is not ready, as a gateway with health checks does."""
            seen: Counter[int] = Counter()
            while not told.is_set() or pod.status("/readyz") == 200:
                seen[pod.fill().status] += 1
            return seen

        futures = [pool.submit(work, number) for number in range(8)]
        wait_until(lambda: 'code="200"' in pod.metrics(), "requests flow")
        pod.child.terminate()
        told.set()
        wait_until(lambda: pod.status("/readyz") == 503, "/readyz answers 503")
        assert pod.fill().status == 200
        total = sum((future.result() for future in futures), Counter[int]())
        assert set(total) == {200}
        assert pod.exit_code() == 0


def test_a_request_in_flight_is_answered_before_the_end(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path, DRAIN_S="0", FAULT="latency=1s") as pod, ThreadPoolExecutor(1) as pool:
        slow = pool.submit(pod.fill)
        wait_until(lambda: "in_flight 1.0" in pod.metrics(), "the request is in flight")
        assert "this pod has a fault for a drill" in pod.child.log.read_text()
        pod.child.terminate()
        assert slow.result().status == 200
        assert pod.exit_code() == 0


def test_a_full_queue_answers_429_with_a_time_to_come_back_and_never_5xx(tiny: Tiny, tmp_path: Path) -> None:
    with (
        running_pod(tiny, tmp_path, QUEUE_ITEMS="2", BATCH_TOKENS="1") as pod,
        ThreadPoolExecutor(24) as pool,
    ):
        text = "好" * 100 + "[MASK]"
        responses = list(pool.map(lambda _: pod.fill(text), range(400)))
        codes = Counter(response.status for response in responses)
        assert set(codes) == {200, 429}
        refused = next(response for response in responses if response.status == 429)
        assert int(refused.headers["Retry-After"]) >= 1
        assert refused.json()["type"] == "urn:bertmesh:problem:overloaded"
        assert pod.fill().status == 200


def test_when_redis_goes_away_answers_are_computed_and_it_heals_by_itself(tiny: Tiny, tmp_path: Path) -> None:
    port = free_port()
    with running_pod(tiny, tmp_path, REDIS_URL=redis_url(port)) as pod:

        def cache() -> str:
            response = pod.fill()
            assert response.status == 200
            return response.headers["x-bertmesh-cache"]

        assert cache() == "error"
        for _ in range(2):
            with real_redis(tmp_path / "redis", port):
                wait_until(lambda: cache() == "miss", "the cache is asked again")
                assert cache() == "hit"
                with redis.Redis.from_url(redis_url(port)) as client:
                    assert all(0 < client.ttl(name) <= 3600 for name in client.scan_iter())
            assert cache() == "error"
        assert pod.status("/readyz") == 200


def test_a_stopped_redis_slows_few_requests(tiny: Tiny, tmp_path: Path) -> None:
    port = free_port()
    with (
        real_redis(tmp_path / "redis", port) as server,
        running_pod(tiny, tmp_path, REDIS_URL=redis_url(port)) as pod,
    ):
        pod.fill()
        server.signal(signal.SIGSTOP)
        statuses = Counter(pod.fill().headers["x-bertmesh-cache"] for _ in range(50))
        log = pod.child.log.read_text().count("cache is away")
        server.signal(signal.SIGCONT)
        assert statuses == {"error": 50}
        assert log < 10
        wait_until(lambda: pod.fill().headers["x-bertmesh-cache"] == "hit", "the cache is back")


def failed_start(tiny: Tiny, folder: Path, **changes: str) -> tuple[int, str]:
    """Start a pod that cannot start; return its exit code and its log."""
    env = environment(tiny, free_port(), {f"BERTMESH_{name}": value for name, value in changes.items()})
    child = Child("pod", Command(WORDS, env), home=folder, log=folder / "pod.log")
    try:
        wait_until(lambda: child.exit_code() is not None, "the pod has given up")
        return child.exit_code() or 0, child.log.read_text()
    finally:
        child.kill()


def copy_of(tiny: Tiny, folder: Path) -> Path:
    return shutil.copytree(tiny.folder, folder)


def no_tokenizer(tiny: Tiny, folder: Path) -> str:
    copied = copy_of(tiny, folder / "other")
    for name in ("tokenizer.json", "vocab.txt"):
        (copied / name).unlink()
    return str(copied)


def wrong_digest(tiny: Tiny, folder: Path) -> str:
    copied = copy_of(tiny, folder / "other")
    modelstore.write_manifest(copied, name="other", version="1.0")
    weights = bytearray((copied / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copied / "model.safetensors").write_bytes(weights)
    return str(copied)


def nothing_there(_tiny: Tiny, folder: Path) -> str:
    return str(folder / "nowhere")


def infinite_weights(tiny: Tiny, folder: Path) -> str:
    copied = copy_of(tiny, folder / "other")
    weights = load_file(copied / "model.safetensors")
    weights = {name: torch.full_like(tensor, torch.inf) for name, tensor in weights.items()}
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    return str(copied)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (no_tokenizer, "no tokenizer in "),
        (wrong_digest, "model.safetensors has sha256 "),
        (nothing_there, "neither a version in "),
        (infinite_weights, "a model that computes infinities or NaN"),
    ],
)
def test_a_model_that_cannot_be_served_ends_the_pod_with_a_sentence(
    tiny: Tiny, tmp_path: Path, make: object, said: str
) -> None:
    assert callable(make)
    code, log = failed_start(tiny, tmp_path, MODEL=make(tiny, tmp_path))
    assert code != 0
    assert "the pod cannot start: " in log
    assert said in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"MODEL": ""}, "BERTMESH_MODEL is ''; a model needed"),
        ({"FAULT": "error=2"}, "write it like error=0.3"),
        ({"FAULT": "error=0.2", "HOME_KIND": ""}, "faults exist only in the local mesh"),
        ({"REDIS_URL": "127.0.0.1"}, "BERTMESH_REDIS_URL is '127.0.0.1'"),
    ],
)
def test_settings_that_cannot_be_used_end_the_pod_with_a_sentence(
    tiny: Tiny, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    code, log = failed_start(tiny, tmp_path, **changes)
    assert code != 0
    assert said in log
    assert "Traceback" not in log


def test_a_pod_that_is_told_to_end_while_it_loads_ends(tiny: Tiny, tmp_path: Path) -> None:
    port = free_port()
    env = environment(tiny, port, {})
    alive = answers(f"http://127.0.0.1:{port}/livez")
    with running("pod", WORDS, folder=tmp_path, ready=alive, environment=env) as child:
        child.terminate()
        wait_until(lambda: child.exit_code() is not None, "the pod has ended")
        assert child.exit_code() == 0
        assert "Traceback" not in child.log.read_text()


def test_the_log_is_json_and_holds_no_text(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path) as pod:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        headers = {"traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        response = HTTP.request("POST", f"{pod.url}/fill-mask", json=FILL, headers=headers)
        lines = [json.loads(line) for line in pod.child.log.read_text().splitlines()]
        line = next(line for line in lines if line["logger"] == "service.access")
        assert line["trace_id"] == trace
        assert line["prediction_id"] == response.json()["prediction_id"]
        assert line["status"] == 200
        assert "首都" not in pod.child.log.read_text()
