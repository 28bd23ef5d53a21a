"""A pod with a converted model as it runs: gunicorn as a child process."""

import shutil
from pathlib import Path

import pytest

from modelstore import resolve
from service.engine.select import conversions
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import FILL, HTTP, failed_start, running_pod
from tests.support.processes import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def cache(tiny: Tiny, converted: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "cache"
    digest = resolve(str(tiny.folder), root=tmp_path, cache=tmp_path).digest
    shutil.copytree(converted, conversions(folder, digest))
    return folder


def test_a_pod_with_a_conversion_answers_and_never_loads_torch(
    tiny: Tiny, cache: Path, tmp_path: Path
) -> None:
    with running_pod(tiny, tmp_path, CACHE_DIR=str(cache), ENGINE="bf16") as pod:
        answer = HTTP.request("POST", f"{pod.url}/fill-mask", json=FILL)
        assert answer.status == 200
        assert len(answer.json()["result"]) == 5
        assert 'engine="bf16"' in pod.metrics()
        mapped = "".join(path.read_text() for path in maps(pod.child.pid))
        assert "libopenvino" in mapped
        assert "libtorch" not in mapped


def test_a_recipe_that_was_never_made_ends_the_pod_with_the_command_that_makes_it(
    tiny: Tiny, tmp_path: Path
) -> None:
    code, log = failed_start(tiny, tmp_path, ENGINE="int8-75")
    assert code == 3
    assert "bertmesh models convert" in log
    assert "Traceback" not in log


def maps(pid: int) -> list[Path]:
    """Return what a process and its children have mapped."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    wait_until(lambda: bool(children.read_text().split()), "the worker runs")
    return [Path(f"/proc/{each}/maps") for each in (str(pid), *children.read_text().split())]
