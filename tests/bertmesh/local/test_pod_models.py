"""`bertmesh models activate` and `rollback` against a pod that runs."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest
from click.testing import CliRunner, Result

import modelstore
from bertmesh.commands.cli import cli
from bertmesh.local.home import Home, ProcessInfo, process_start, write_json
from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import Running, running_pod
from tests.service.tiny import write_model

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    """A models folder with tiny:1.0 and tiny:1.1; the first of them."""
    root = tmp_path_factory.mktemp("store")
    made = []
    for seed, version in enumerate(("1.0", "1.1")):
        folder = root / "tiny" / version
        made.append(Tiny(folder, write_model(folder, seed)))
        modelstore.write_manifest(folder, name="tiny", version=version)
    return made[0]


def settings(store: Tiny) -> dict[str, str]:
    return {"MODEL": "tiny:1.0", "MODELS_DIR": str(store.folder.parent.parent)}


@pytest.fixture(scope="module")
def bind() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture(scope="module")
def pod(store: Tiny, bind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_pod(store, tmp_path_factory.mktemp("pod"), ADMIN_BIND=bind, **settings(store)) as pod:
        yield pod


@pytest.fixture
def admin(pod: Running, bind: str) -> str:
    """The URL of the running pod's admin port."""
    assert pod.child.exit_code() is None
    return f"http://{bind}"


def bertmesh(*words: str) -> Result:
    return CliRunner().invoke(cli, ["models", *words])


def said(*words: str) -> str:
    result = bertmesh(*words)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_pod_swaps_its_model_and_back_under_load_without_a_failed_request(pod: Running, admin: str) -> None:
    over = Event()

    def ask(_: int) -> Counter[tuple[int, str]]:
        seen: Counter[tuple[int, str]] = Counter()
        while not over.is_set():
            answer = pod.fill()
            seen[answer.status, answer.headers["x-model-version"]] += 1
        return seen

    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, number) for number in range(8)]
        try:
            for _ in range(3):
                assert said("activate", "tiny:1.1", "--url", admin).startswith("tiny:1.1 is in service at")
                assert pod.fill().headers["x-model-version"] == "1.1"
                assert said("rollback", "--url", admin).startswith("tiny:1.0 is in service again at")
                assert pod.fill().headers["x-model-version"] == "1.0"
        finally:
            over.set()
        seen = sum((future.result() for future in asked), Counter[tuple[int, str]]())
    assert set(seen) == {(200, "1.0"), (200, "1.1")}


def test_a_pod_of_the_mesh_is_found_by_its_name(admin: str, tmp_path: Path) -> None:
    home = Home.at(tmp_path)
    info = {"pid": os.getpid(), "started": process_start(os.getpid())}
    urls = dict.fromkeys(("gateway", "envoy_admin", "prometheus", "redis"), "http://127.0.0.1:1")
    write_json(home.info_file, info | urls)
    home.tell_processes({"redis": ProcessInfo(1, 1), "bert-1.0-0": ProcessInfo(2, 1, admin)})
    named = ["--home", str(tmp_path), "--pod"]
    assert "tiny:1.1 is in service" in said("activate", "tiny:1.1", *named, "bert-1.0-0")
    assert "tiny:1.0 is in service again" in said("rollback", *named, "bert-1.0-0")
    refused = bertmesh("rollback", *named, "nobody")
    assert "the mesh has no pod 'nobody'; its pods: bert-1.0-0" in refused.output


@pytest.mark.parametrize(
    ("words", "needed"),
    [
        (
            ["activate", "tiny:9", "--url", "{url}"],
            "tiny in version 9 is asked for; tiny 1.0, tiny 1.1",
        ),
        (["activate", "tiny", "--url", "{url}"], "name:version needed"),
        (["activate", "tiny:1.0"], "one of --pod and --url is needed"),
        (["activate", "tiny:1.0", "--url", "http://127.0.0.1:{free}"], "no pod answers at"),
        (["rollback", "--home", "{nowhere}", "--pod", "x"], "no mesh runs in"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(
    admin: str, tmp_path: Path, words: list[str], needed: str
) -> None:
    given = {"url": admin, "free": str(free_port()), "nowhere": str(tmp_path)}
    result = bertmesh(*(word.format(**given) for word in words))
    assert result.exit_code != 0
    assert needed in result.output
    assert "Traceback" not in result.output


def test_the_serving_port_changes_nothing(pod: Running) -> None:
    for words in (["activate", "tiny:1.1"], ["rollback"]):
        assert "there is nothing at" in bertmesh(*words, "--url", pod.url).output
    assert pod.fill().headers["x-model-version"] == "1.0"
    log = [json.loads(line) for line in pod.child.log.read_text().splitlines()]
    assert not any("Traceback" in str(line) for line in log)
