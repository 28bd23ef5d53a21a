"""A jump of the wall clock moves no deadline, queue, breaker, lease or rate of a pod."""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import HTTP, Running, real_redis, redis_url, running_pod
from tests.support.processes import wait_until

CLOCK = """
import time
from pathlib import Path

told, real = Path({path!r}), time.time
time.time = lambda: real() + float(told.read_text())
"""
"""Python reads it at its start: from then on the wall clock is as far ahead as a file says."""
LONG_S = 400 * 86400
TEXT = "好{}[MASK]"


class Wall:
    """The wall clock of the pods that are started from now on."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._told = folder / "ahead"
        self.jump(0)
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(CLOCK.format(path=str(self._told)))
        monkeypatch.setenv("PYTHONPATH", str(site))

    def jump(self, ahead_s: float) -> None:
        fresh = self._told.with_name("fresh")
        fresh.write_text(str(ahead_s))
        fresh.replace(self._told)


def ask(pod: Running, text: str) -> str:
    """Ask with a deadline; return the status, and what the cache did."""
    headers = {"X-Request-Timeout-Ms": "60000"}
    answer = HTTP.request("POST", f"{pod.url}/fill-mask", json={"text": text}, headers=headers)
    return f"{answer.status} {answer.headers.get('x-bertmesh-cache')}"


@pytest.mark.slow
def test_a_jump_of_the_wall_clock_costs_a_pod_no_request_and_no_cached_answer(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall, port = Wall(tmp_path, monkeypatch), free_port()
    with (
        real_redis(tmp_path / "redis", port),
        running_pod(tiny, tmp_path, REDIS_URL=redis_url(port), FAULT="latency=500ms", DEADLINE_S="60") as pod,
        ThreadPoolExecutor(4) as pool,
    ):

        def under_way(texts: list[str], ahead_s: float) -> set[str]:
            """Let the clock jump while these are answered."""
            asked = [pool.submit(ask, pod, text) for text in texts]
            wait_until(lambda: f"in_flight {len(texts)}.0" in pod.metrics(), "the requests are in flight")
            wall.jump(ahead_s)
            return {each.result() for each in asked}

        texts = [TEXT.format("好" * number) for number in range(4)]
        assert under_way(texts, LONG_S) == {"200 miss"}
        assert under_way(texts, -LONG_S) == {"200 hit"}
        assert pod.status("/readyz") == 200

        log = [json.loads(line) for line in pod.child.log.read_text().splitlines()]
        assert len({str(line["time"])[:4] for line in log}) > 1, "the jump was seen"
        assert not [line for line in log if "traceback" in line]
