"""Explain on a cluster: each rollout's own queries, and those that all rollouts of the namespace share."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from canary.cluster.queries import wants
from canary.prometheus.promql import RolloutQuery
from tests.bertmesh.clusters import Busy, busy
from tests.canary.operator.clusters import FAST
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import deployment, rollout
from tests.support.processes import wait_until

SLOW = {**FAST, "steps": [{"weight": 20, "soak": "10m"}], "fallback": "20m"}


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Busy]:
    with mesh_api() as api, busy(api, tmp_path) as made:
        yield made


def test_each_rollouts_own_query_is_shown_and_the_one_that_all_share(work: Busy) -> None:
    for version, replicas in (("1.0", 2), ("1.1", 0)):
        labels = {"app": "other", "version": version}
        work.api.create(deployment(f"other-{version}", replicas=replicas, labels=labels))
    work.cluster.apply(policy=SLOW)
    work.until("Progressing")
    alone = json.loads(work.run("explain", "bert", "-o", "json").output)["queries"]
    assert not [name for name in alone if "all" in name]
    work.api.create(rollout("other", service="other", policy=SLOW))
    wait_until(lambda: len(list(wants(work.api.all("ModelRollout")))) == 2, "both are under way")
    queries = json.loads(work.run("explain", "bert", "-o", "json").output)["queries"]
    names = [
        f"{name}\\\\.default\\\\.svc\\\\.cluster\\\\.local" for name in ("bert-v1-0", "bert-v1-1", "bert")
    ]
    assert f'destination_service=~"{"|".join(names)}"' in queries["counters"]
    both = next(query for name, query in queries.items() if name.startswith("counters, as the operator asks"))
    assert f"{names[-1]}|other-v1-0\\\\.default" in both


def test_a_rollout_whose_state_cannot_be_read_asks_for_nothing() -> None:
    broken = rollout("bert")
    assert list(wants([broken, {**broken, "status": {"judge": {"state": "nonsense"}}}])) == []


def test_a_want_knows_its_namespace() -> None:
    assert RolloutQuery("bert.default.svc.cluster.local", ("1.0",)).namespace == "default"
    assert RolloutQuery("bert", ("1.0",)).namespace == ""
