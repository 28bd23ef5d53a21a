"""An operator made with kopf, against the test server: handlers, finalizers, patches, Events."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kopf
import pytest
from kopf.testing import KopfRunner

from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.samples import rollout

PLURAL = ("bertmesh.dev", "v1alpha1", "modelrollouts")


class Heard:
    """What the operator was told, and a way to wait for it."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.news = threading.Condition()

    def note(self, what: str, name: str) -> None:
        with self.news:
            self.calls.append((what, name))
            self.news.notify_all()

    def wait(self, what: str, name: str = "bert", seconds: float = 20) -> None:
        with self.news:
            assert self.news.wait_for(lambda: (what, name) in self.calls, seconds), self.calls


def registry(heard: Heard) -> kopf.OperatorRegistry:
    made = kopf.OperatorRegistry()
    kopf.on.login(registry=made)(kopf.login_with_kubeconfig)

    @kopf.on.create(*PLURAL, registry=made)
    def created(name: str, body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:  # noqa: ANN401 - kopf's
        patch.status["phase"] = "Pending"
        kopf.info(body, reason="Started", message="the rollout begins")
        heard.note("created", name)

    @kopf.on.update(*PLURAL, field="spec", registry=made)
    def updated(name: str, **_: Any) -> None:  # noqa: ANN401 - kopf's
        heard.note("updated", name)

    @kopf.on.delete(*PLURAL, registry=made)
    def deleted(name: str, **_: Any) -> None:  # noqa: ANN401 - kopf's
        heard.note("deleted", name)

    return made


@pytest.fixture
def heard(api: KubeApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Heard]:
    """Run the operator for one test."""
    monkeypatch.setenv("KUBECONFIG", str(api.kubeconfig(tmp_path / "kubeconfig")))
    told = Heard()
    settings = kopf.OperatorSettings()
    settings.watching.reconnect_backoff = 0.1
    settings.networking.error_backoffs = [0.1, 0.1, 0.1]
    command = ["run", "-n", "default", "--standalone", str(Path(__file__).with_name("nothing.py"))]
    with KopfRunner(command, registry=registry(told), settings=settings, timeout=30) as runner:
        yield told
    assert runner.exception is None, runner.output
    assert runner.exit_code == 0, runner.output


def wait_for_phase(api: KubeApi, name: str) -> str:
    """Kopf patches the status after the handler returned, and after the Event was posted."""
    for _ in range(100):
        if "status" in api.get("ModelRollout", name):
            break
        threading.Event().wait(0.1)
    return str(api.get("ModelRollout", name)["status"]["phase"])


def wait_for_event(api: KubeApi, reason: str) -> dict[str, Any]:
    for _ in range(100):
        found = [event for event in api.all("Event") if event["reason"] == reason]
        if found:
            return found[0]
        threading.Event().wait(0.1)
    raise AssertionError(api.all("Event"))


def test_an_operator_hears_of_creation_change_and_deletion(api: KubeApi, heard: Heard) -> None:
    api.create(rollout())
    heard.wait("created")
    event = wait_for_event(api, "Started")
    assert event["involvedObject"]["name"] == "bert"
    assert wait_for_phase(api, "bert") == "Pending"
    assert api.get("ModelRollout", "bert")["metadata"]["finalizers"]

    api.edit("ModelRollout", "bert", {"spec": {"suspend": True}})
    heard.wait("updated")
    api.delete("ModelRollout", "bert")
    heard.wait("deleted")
    for _ in range(100):
        if not api.has("ModelRollout", "bert"):
            break
        threading.Event().wait(0.1)
    assert not api.has("ModelRollout", "bert")


def test_an_operator_survives_a_forgotten_past_and_a_server_that_was_away(api: KubeApi, heard: Heard) -> None:
    api.create(rollout("first"))
    heard.wait("created", "first")
    api.fail(Fault(code=503, times=2))
    api.stop()
    api.compact()
    api.start()
    api.create(rollout("second"))
    heard.wait("created", "second")
