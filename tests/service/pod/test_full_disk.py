"""A disk that fills while a pod serves: requests go on, and what needs room is refused with a sentence."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest
import urllib3

from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import Running, running_pod

pytestmark = pytest.mark.slow

MODELS = Path(__file__).parents[3] / "models"


@contextmanager
def full_disk(pod: Running) -> Iterator[None]:
    """Let none of a pod's processes make a file larger: what a full disk is to them, for any user to set."""
    master = psutil.Process(pod.child.pid)
    everybody = [master, *master.children()]
    before = [process.rlimit(psutil.RLIMIT_FSIZE) for process in everybody]
    for process, (_, hard) in zip(everybody, before, strict=True):
        process.rlimit(psutil.RLIMIT_FSIZE, (1, hard))
    yield
    for process, limits in zip(everybody, before, strict=True):
        with suppress(psutil.NoSuchProcess):
            process.rlimit(psutil.RLIMIT_FSIZE, limits)


def load(admin: str, version: str) -> urllib3.BaseHTTPResponse:
    url = f"http://{admin}/v2/repository/models/zh-small/load"
    return urllib3.request("POST", url, json={"parameters": {"version": version}}, retries=False, timeout=60)


def lines(pod: Running) -> list[dict[str, object]]:
    return [json.loads(line) for line in pod.child.log.read_text().splitlines()]


def test_requests_go_on_and_the_log_too_once_there_is_room(tiny: Tiny, tmp_path: Path) -> None:
    with running_pod(tiny, tmp_path) as pod:
        with full_disk(pod):
            before = len(lines(pod))
            assert {pod.fill().status for _ in range(50)} == {200}
            assert pod.status("/readyz") == 200
            assert len(lines(pod)) == before, "the disk is full indeed"
        assert pod.fill().status == 200
        assert lines(pod)[-1]["logger"] == "service.access"
        with full_disk(pod):
            pod.child.terminate()
            assert pod.exit_code() == 0


def test_a_model_that_there_is_no_room_for_is_refused_and_taken_once_there_is(
    tiny: Tiny, tmp_path: Path
) -> None:
    admin = f"127.0.0.1:{free_port()}"
    cache = tmp_path / "cache"
    told = {"MODEL": "zh-small:1.0", "MODELS_DIR": str(MODELS), "CACHE_DIR": str(cache), "ADMIN_BIND": admin}
    with running_pod(tiny, tmp_path, **told) as pod:
        with full_disk(pod):
            refused = load(admin, "1.1-reviews")
            assert refused.status == 409
            problem = refused.json()
            assert problem["type"] == "urn:bertmesh:problem:unusable-model"
            assert (
                "room for zh-small:1.1-reviews put on its base needed: free some space" in problem["detail"]
            )
            assert pod.fill().headers["x-model-version"] == "1.0"
            assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]
        assert load(admin, "1.1-reviews").status == 200
        assert pod.fill().headers["x-model-version"] == "1.1-reviews"
        assert "Traceback" not in pod.child.log.read_text()
