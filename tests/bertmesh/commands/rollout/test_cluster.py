"""The rollout commands about a cluster: an API server over HTTP, an operator at work, orders and answers."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from bertmesh.commands.cli import cli
from canary.cluster.api import ModelRollouts
from canary.cluster.client import ClusterClient
from canary.cluster.errors import OperatorGone, OrderOvertaken
from canary.rollout.commands import Order
from mesh.cluster.api import ClusterApi
from mesh.cluster.errors import ApiDown
from tests.bertmesh.clusters import Busy, busy, roles
from tests.canary.fakes import FakeClock
from tests.canary.operator.clusters import FAST
from tests.support.kubeapi import Fault, KubeApi
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import deployment, rollout
from tests.support.processes import wait_until

SLOW = {
    **FAST,
    "steps": [{"weight": 20, "soak": "10m"}, {"weight": 50, "soak": "10m"}],
    "fallback": "20m",
}
"""It stays at 20 % for as long as a test takes."""


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with mesh_api(namespaces=("default", "empty")) as server:
        yield server


@pytest.fixture
def work(api: KubeApi, tmp_path: Path) -> Iterator[Busy]:
    with busy(api, tmp_path) as made:
        yield made


def idle(work: Busy, **spec: object) -> None:
    """Have a ModelRollout with 1.0 alone."""
    work.cluster.apply(canary=None, **spec)


def test_a_good_canary_ends_a_waiting_start_with_0_and_undo_brings_the_old_one_back(work: Busy) -> None:
    idle(work)
    started = work.run("start", "1.1", "--wait", "--timeout", "60")
    assert started.exit_code == 0, started.output
    assert "advance (baked)" in started.output
    assert "canary" not in work.api.get("ModelRollout", "bert")["spec"]  # it belongs to who applies it
    undone = work.run("undo", "--now", "--why", "users complain", "--wait", "--timeout", "60")
    assert undone.exit_code == 0, undone.output
    status = json.loads(work.run("status", "bert", "-o", "json").output)
    assert status["stable"] == "1.0"
    entries = json.loads(work.run("history", "-o", "json").output)
    begun = [entry for entry in entries if entry["action"] == "start"]
    assert [entry["who"] for entry in begun] == ["admin", "admin"]
    assert "undo (users complain): 1.1 -> 1.0" in begun[-1]["sentence"]


def test_a_bad_canary_ends_a_waiting_start_with_3(api: KubeApi, tmp_path: Path) -> None:
    with busy(api, tmp_path, bad={"1.1": 0.3}) as work:
        idle(work)
        result = work.run("start", "1.1", "bert", "--wait", "--timeout", "60")
        assert result.exit_code == 3, result.output
        explained = work.run("explain")
    assert "roll_back (" in explained.output
    assert r"|bert\\.default" in explained.output


def test_waiting_ends_in_time_with_4(work: Busy) -> None:
    idle(work, policy=SLOW)
    assert work.run("start", "1.1", "--wait", "--timeout", "0.2").exit_code == 4


def test_orders_are_obeyed_and_answered_and_the_history_says_who_gave_them(work: Busy) -> None:
    work.api.grant("ann lee", roles("bertmesh-releaser"))
    work.config = work.api.kubeconfig(work.config.parent / "ann", token="ann lee")
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    paused = work.run("pause", "-o", "json")
    assert paused.exit_code == 0, paused.output
    assert "ann lee: paused" in json.loads(paused.output)["message"]
    assert "Paused (in Progressing)" in work.run("status", "bert").output
    assert work.run("resume").exit_code == 0
    assert work.run("promote", "-o", "name").output == "modelrollout.bertmesh.dev/bert\n"
    aborted = work.run("abort", "--wait", "--timeout", "60")
    assert aborted.exit_code == 0, aborted.output
    entries = json.loads(work.run("history", "-o", "json").output)
    mine = [entry["reason"] for entry in entries if entry["who"] == "ann lee"]
    assert mine == ["by_hand:pause", "by_hand:resume", "by_hand:promote", "by_hand:abort"]
    refused = work.run("promote")
    assert refused.exit_code == 1
    assert "nothing to promote" in refused.output


def test_resume_also_lifts_a_suspension_by_the_spec(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.api.edit("ModelRollout", "bert", {"spec": {"suspend": True}})
    work.until("Paused")
    assert "spec.suspend is true" in work.run("status", "bert").output
    assert work.run("resume").exit_code == 0
    work.until("Progressing")
    assert work.api.get("ModelRollout", "bert")["spec"]["suspend"] is True  # it belongs to who applies it
    work.api.edit("ModelRollout", "bert", {"spec": {"suspend": False}})
    work.pass_time(5)
    work.api.edit("ModelRollout", "bert", {"spec": {"suspend": True}})
    work.until("Paused")


def test_an_abort_comes_before_an_order_that_waits(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.rest()
    work.cluster.command("pause id=p1 by=ben")
    other = work.run("promote", "--timeout", "0.3")
    assert "has an order that waits for its answer (pause id=p1 by=ben)" in other.output
    assert "the order stands" in work.run("abort", "--timeout", "0.3").output
    work.working = True
    work.until("RolledBack")
    assert work.cluster.judge[0].answer_to("p1") is None


def test_an_order_that_somebody_takes_away_is_told_as_such(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.rest()
    rollouts = ModelRollouts(ClusterApi(work.api.client()), "default")
    client = ClusterClient(rollouts, "bert", sleep=lambda _s: work.cluster.command("abort id=a1 by=ben"))
    with pytest.raises(OrderOvertaken, match="it has now: abort id=a1 by=ben"):
        client.send(Order("p1", "ann", time.time(), "pause"))


def test_without_an_operator_an_order_is_taken_back_but_an_abort_stands(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.rest()
    result = work.run("pause", "--timeout", "0.3")
    assert result.exit_code == 1
    assert (
        "no operator answered for ModelRollout default/bert within 0.3 s (the order was taken back)"
        in result.output
    )
    assert "bertmesh.dev/command" not in work.api.get("ModelRollout", "bert")["metadata"].get(
        "annotations", {}
    )
    assert "the order stands" in work.run("abort", "--timeout", "0.3").output
    work.working = True
    work.until("RolledBack")


def test_a_conflicting_write_is_tried_again(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.api.fail(Fault(code=409, method="PATCH", path="modelrollouts", times=2))
    assert work.run("pause").exit_code == 0


def test_lists_in_every_form(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.api.create(rollout("other", service="other", canary=None))
    work.until("Progressing")
    assert work.run("status", "-o", "name").output.split() == [
        "modelrollout.bertmesh.dev/bert",
        "modelrollout.bertmesh.dev/other",
    ]
    table = work.run("status").output.splitlines()
    assert table[0].split() == ["NAME", "PHASE", "STABLE", "CANARY", "WEIGHT", "STEP", "VERDICT", "AGE"]
    assert table[1].split()[:4] == ["bert", "Progressing", "1.0", "1.1"]
    wide = work.run("status", "-o", "wide", "-A").output.splitlines()
    assert wide[0].split()[:2] == ["NAMESPACE", "NAME"]
    assert "MESSAGE" in wide[0]
    items = yaml.safe_load(work.run("status", "-o", "yaml").output)["items"]
    assert [each["name"] for each in items] == ["bert", "other"]
    assert "judge" not in items[0]["status"]
    wait_until(lambda: "harm" in work.run("status", "bert", "-o", "wide").output, "the first tick is judged")
    ambiguous = work.run("watch")
    assert "namespace default has 2 ModelRollouts (bert, other): name one of them" in ambiguous.output


def test_start_makes_a_model_rollout_where_there_is_none_and_says_who_began(work: Busy) -> None:
    words = ("start", "1.1", "--service", "bert", "--stable", "1.0", "--profile", "fast", "--steps", "20")
    shown = work.run(*words, "--shadow", "30", "--shadow-during", "10", "--dry-run")
    document = yaml.safe_load(shown.output)
    assert document["spec"]["policy"] == {"profile": "fast", "steps": [{"weight": 20}]}
    assert document["spec"]["shadow"] == {"percent": 30, "duringPercent": 10}
    assert document["metadata"]["annotations"]["bertmesh.dev/command"].startswith("start id=")
    assert not work.api.all("ModelRollout")
    made = work.run(*words)
    assert made.exit_code == 0, made.output
    assert "admin: 1.0 -> 1.1 at 20 -> 100 %" in made.output
    again = work.run("start", "1.2", "bert")
    assert "a rollout of '1.1' is in progress" in again.output


def test_orders_and_who_applies_the_spec_take_turns_and_the_last_word_counts(work: Busy) -> None:
    plain = {"profile": "fast"}
    work.api.apply(rollout(canary="1.1", policy=plain), "helm")
    work.until("Promoted")
    assert work.run("watch").exit_code == 0  # which waits for the old pods to be let go
    ordered = work.run("start", "1.2", "--steps", "20", "--wait", "--timeout", "60")
    assert ordered.exit_code == 0, ordered.output
    assert "1.1 -> 1.2 at 20 -> 100 %" in ordered.output
    work.api.apply(
        rollout(stable="1.2", canary="1.1", policy=plain), "helm"
    )  # refused if another wrote there
    work.until("Promoted", "1.1")


def test_a_spec_that_changes_ends_an_order(work: Busy) -> None:
    idle(work, policy=SLOW)
    assert work.run("start", "1.1").exit_code == 0
    work.until("Progressing")
    work.api.edit("ModelRollout", "bert", {"spec": {"notify": []}})  # which says nothing of a canary
    work.until("Progressing")
    work.api.edit("ModelRollout", "bert", {"spec": {"canary": "1.2"}})
    work.until("RolledBack", "1.1")
    work.until("Progressing", "1.2")


def test_an_order_that_is_refused_leaves_nothing(work: Busy) -> None:
    idle(work)
    assert work.run("start", "9.9").exit_code == 1
    work.api.create(deployment("bert-9.9"))
    work.pass_time(60)
    assert json.loads(work.run("status", "bert", "-o", "json").output)["rollout"] is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["start", "9.9"], "there is no Deployment with the labels app=bert, version=9.9"),
        (["start", "1.0"], "'1.0' is the stable version already"),
        (["start", "1.1", "--stable", "1.2"], "the stable version is '1.0', not '1.2'"),
        (["start", "1.1", "--steps", "50,20"], "steps"),
        (["start", "1.1", "--profile", "brave"], "profile"),
        (["start", "1.1", "zh"], "there is no ModelRollout 'zh' in namespace default; it has: bert"),
        (["watch", "zh"], "there is no ModelRollout 'zh' in namespace default; it has: bert"),
        (["watch"], "nothing to watch"),
        (["explain"], "nothing to explain"),
        (["undo"], "nothing to undo: '1.0' is stable"),
        (["pause"], "nothing to pause"),
    ],
)
def test_a_mistake_is_answered_with_a_sentence(work: Busy, words: list[str], sentence: str) -> None:
    idle(work)
    result = work.run(*words)
    assert result.exit_code == 1
    assert result.output.startswith("Error: "), result.output
    assert sentence in result.output


def test_places_that_are_not_there_are_named(api: KubeApi, tmp_path: Path) -> None:
    config = str(api.kubeconfig(tmp_path / "config"))

    def said(*words: str, env: dict[str, str] | None = None) -> str:
        result = CliRunner().invoke(cli, ["rollout", *words], env=env)
        assert result.exit_code == 1, result.output
        return result.output

    assert "there is no context 'prod' in " in said("status", "--context", "prod", "--kubeconfig", config)
    assert "it has: test" in said("status", "--context", "prod", env={"KUBECONFIG": config})
    assert "there is no namespace 'nowhere'" in said("status", "-n", "nowhere", "--kubeconfig", config)
    assert "namespace empty has 0 ModelRollouts" in said("watch", "-n", "empty", "--kubeconfig", config)
    nothing = {"KUBECONFIG": str(tmp_path / "missing")}
    assert "no cluster to talk to (there is no file" in said("status", "--cluster", env=nothing)
    (tmp_path / "broken").write_text("{", "utf-8")
    assert "no cluster to talk to (" in said("status", "--kubeconfig", str(tmp_path / "broken"))
    api.stop()
    assert "does not answer" in said("status", "--kubeconfig", config)
    api.start()


def test_a_cluster_without_the_kind_says_what_to_install(tmp_path: Path) -> None:
    with KubeApi() as bare:
        config = str(bare.kubeconfig(tmp_path / "config"))
        result = CliRunner().invoke(cli, ["rollout", "status", "--kubeconfig", config])
    assert result.exit_code == 1
    assert (
        "has no kind ModelRollout: install the chart, or apply deploy/crd/modelrollouts.yaml" in result.output
    )


def test_who_may_not_is_told_which_role_is_missing(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.api.grant("nobody", [])
    work.api.grant("viewer", roles("bertmesh-viewer"))
    work.config = work.api.kubeconfig(work.config.parent / "nobody", token="nobody")
    assert (
        "ask for the role bertmesh-viewer of deploy/rbac/people.yaml (get, list on "
        in work.run("status").output
    )
    work.config = work.api.kubeconfig(work.config.parent / "viewer", token="viewer")
    assert work.run("status").exit_code == 0
    result = work.run("abort")
    assert result.exit_code == 1
    assert "ask for the role bertmesh-releaser of deploy/rbac/people.yaml (patch on " in result.output


def test_a_short_absence_of_the_api_does_not_end_a_watch(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    clock = FakeClock()
    client = ClusterClient(ModelRollouts(ClusterApi(work.api.client()), "default"), "bert", now=clock.now)
    assert client.status()["rollout"]["phase"] == "Progressing"
    work.api.stop()
    try:
        assert client.status()["rollout"]["phase"] == "Progressing"
        clock.time += 61
        with pytest.raises(ApiDown, match="does not answer"):
            client.status()
    finally:
        work.api.start()


def test_a_watch_ends_when_nobody_works_on_the_rollout(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.rest()
    clock = FakeClock()
    rollouts = ModelRollouts(ClusterApi(work.api.client()), "default")

    def sleep(_seconds: float) -> None:
        clock.time += 30

    client = ClusterClient(rollouts, "bert", now=clock.now, sleep=sleep)
    with pytest.raises(OperatorGone, match="has written nothing about ModelRollout default/bert for 150 s"):
        list(client.follow())


def test_as_a_plugin_of_kubectl_it_is_about_the_cluster_that_kubectl_means(work: Busy) -> None:
    idle(work)
    assert work.kubectl("start", "1.1", "bert", "--wait", "--timeout", "60").exit_code == 0
    assert "stable: 1.1" in work.kubectl("status", "bert", "-n", "default").output
    text = work.kubectl("--help").output
    assert "kubectl bertmesh" in text
    assert "--home" not in work.kubectl("start", "--help").output


def test_what_is_for_the_other_home_is_wrong_usage(work: Busy, tmp_path: Path) -> None:
    assert work.run("start", "1.1", "--replicas", "3").exit_code == 2
    for words in (["start", "1.1", "--service", "bert"], ["status", "-A"]):
        result = CliRunner().invoke(cli, ["rollout", *words, "--home", str(tmp_path)])
        assert result.exit_code == 2
        assert "for clusters" in result.output


def test_an_order_about_a_resource_whose_state_is_lost_says_so(work: Busy) -> None:
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    work.api.edit_status("ModelRollout", "bert", {"judge": {"state": "nonsense"}})
    result = work.run("abort", "--timeout", "1")
    assert result.exit_code == 1
    assert "status.judge of ModelRollout default/bert holds no rollout state" in result.output
