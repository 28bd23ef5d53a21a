"""The console over a cluster: an API server, an operator at work, and the page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from canary.console.app import Console, create_app
from canary.console.cluster import ClusterRollouts
from canary.console.security import RequestGuard
from canary.console.settings import Settings
from mesh.cluster.api import ClusterApi
from tests.bertmesh.clusters import Busy, busy
from tests.canary.console.scenes import SECRET
from tests.canary.operator.clusters import FAST
from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.known import ROOT, mesh_api
from tests.support.kubeapi.samples import rollout
from tests.support.processes import wait_until

SLOW = {**FAST, "steps": [{"weight": 20, "soak": "10m"}, {"weight": 50, "soak": "10m"}], "fallback": "20m"}
OURS = {"Origin": "http://localhost", "Accept": "application/json", "X-User": "ann"}
ABORT = "/rollouts/bert.default/rollout-1/abort"


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with mesh_api(namespaces=("default", "other")) as server:
        text = (ROOT / "deploy" / "rbac" / "console.yaml").read_text("utf-8")
        role = next(iter(yaml.safe_load_all(text)))
        places = [
            {**role, "metadata": {**role["metadata"], "namespace": name}} for name in ("default", "other")
        ]
        server.grant("console", places)
        yield server


@pytest.fixture
def work(api: KubeApi, tmp_path: Path) -> Iterator[Busy]:
    with busy(api, tmp_path) as made:
        yield made


def rollouts(api: KubeApi, *namespaces: str, **options: Any) -> ClusterRollouts:  # noqa: ANN401 - handed on
    """Return what a console with its Role sees, without waiting between two looks."""
    ticks = iter(range(10**6))
    connected = ClusterApi(api.client("console"))
    return ClusterRollouts(
        connected, namespaces, within_s=5.0, monotonic=lambda: float(next(ticks)), **options
    )


def page(seen: ClusterRollouts) -> FlaskClient:
    settings = Settings(identity_header="X-User")
    return create_app(Console(seen, RequestGuard(settings, SECRET)), settings).test_client()


def press(client: FlaskClient, path: str) -> Any:  # noqa: ANN401 - a response of the test client
    token = client.get("/live").get_json()["token"]
    return client.post(path, data={"token": token}, headers=OURS)


def test_every_rollout_of_the_shown_namespaces_is_on_one_page(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    elsewhere = rollout("zh", canary=None)
    work.api.create({**elsewhere, "metadata": {**elsewhere["metadata"], "namespace": "other"}})
    work.until("Progressing")
    readings = rollouts(work.api, "default", "other").read()
    assert [each.service for each in readings] == ["bert.default", "zh.other"]
    assert readings[0].host == "bert.default.svc.cluster.local"
    text = page(rollouts(work.api, "default", "other")).get("/").text
    assert "rollout-1 of bert.default" in text
    assert "bert.default serves" in text


def test_orders_reach_the_operator_with_the_name_that_the_gateway_gives(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    client = page(rollouts(work.api, "default"))
    answer = press(client, ABORT)
    assert answer.status_code == 200, answer.text
    assert "ann: aborted: all traffic goes back" in answer.get_json()["message"]
    work.until("RolledBack")
    assert (
        next(line for line in work.cluster.status["history"] if line["reason"] == "by_hand:abort")["by"]
        == "ann"
    )
    assert press(client, ABORT).status_code == 409


def test_a_promotion_can_be_undone_by_a_button(work: Busy) -> None:
    work.cluster.apply()
    work.until("Promoted")
    assert work.run("watch", "--timeout", "60").exit_code == 0
    client = page(rollouts(work.api, "default"))
    assert "Go back from 1.1 to 1.0?" in client.get("/").text
    assert press(client, ABORT).status_code == 409
    answer = press(client, "/rollouts/bert.default/rollout-1/undo")
    assert answer.status_code == 200, answer.text
    assert "ann: undo: 1.1 -> 1.0" in answer.get_json()["message"]


def test_a_silent_operator_is_said_once_by_the_age_of_its_lease(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    seen = rollouts(work.api, "default", lease_namespace="default")
    assert "gives no sign of life (last seen: never)" in page(seen).get("/").text
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    metadata = {"name": "bertmesh-controller", "namespace": "default"}
    work.api.create({**lease, "metadata": metadata, "spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}})
    work.api.grant("console", [{**each, "rules": [*each["rules"], LEASES]} for each in granted(work.api)])
    text = page(rollouts(work.api, "default", lease_namespace="default")).get("/").text
    assert "gives no sign of life (last seen: " in text
    assert "last seen: never" not in text
    assert "deployment of `bertmesh operator`" in text.replace("<code>", "`").replace("</code>", "`")


LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get"]}


def granted(api: KubeApi) -> list[dict[str, Any]]:
    return [dict(each) for each in api.access.roles["console"]]


def test_what_stands_in_the_way_of_a_rollout_is_said(work: Busy) -> None:
    work.cluster.apply(canary="9.9")
    wait_until(lambda: bool(warnings(work.api)), "the operator looks at it")
    reading = rollouts(work.api, "default").read()[0]
    missing = "there is no Deployment with the labels app=bert, version=9.9"
    assert f"bert.default is not ready: {missing}" in reading.warning
    work.api.edit("ModelRollout", "bert", {"spec": {"canary": None, "suspend": True}})
    wait_until(lambda: "suspended by its spec" in warnings(work.api), "the operator reads the spec again")


def warnings(api: KubeApi) -> str:
    return rollouts(api, "default").read()[0].warning


def test_an_api_that_is_away_or_refuses_is_a_sentence_on_the_page(work: Busy) -> None:
    work.cluster.apply(canary=None)
    seen = rollouts(work.api, "default", "elsewhere")
    problems = [each.problem for each in seen.read() if each.problem]
    assert len(problems) == 1
    assert problems[0].startswith(
        "The rollouts of namespace elsewhere cannot be read: the Kubernetes API refused"
    )
    work.api.stop()
    assert "does not answer" in page(seen).get("/").text
    work.api.start()


def test_an_order_that_cannot_be_sent_is_a_sentence_too(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    client = page(rollouts(work.api, "default"))
    token = client.get("/live").get_json()["token"]
    work.api.fail(Fault(code=503, method="PATCH", path="modelrollouts/bert", times=10**6))
    work.rest()
    answer = client.post(ABORT, data={"token": token}, headers=OURS)
    work.api.server.faults.clear()
    assert answer.status_code == 503
    assert "does not answer" in answer.get_json()["message"]
