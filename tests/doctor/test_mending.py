"""The commands that findings give: run by the real kubectl, they mend what was found."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from doctor.examine.run import examine
from doctor.model import Finding
from doctor.sources import cluster
from mesh.cluster.api import ClusterApi
from tests.canary.fakes import FakeClock
from tests.canary.operator.clusters import Cluster
from tests.doctor.cases import CASES, fresh
from tests.doctor.worlds import World
from tests.support.helm import kubectl
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api

MENDED_BY_COMMAND = (
    *("BM101", "BM102", "BM103", "BM111", "BM115", "BM213", "BM214", "BM301", "BM307"),
    *("BM407", "BM501", "BM503", "BM604", "BM802"),
)
PLACEHOLDER = re.compile(r"\b(NAME|VERSION|SECRET|KEY|DIGEST)\b")


def put(api: KubeApi, world: World) -> None:
    for each in world.documents.values():
        if each["kind"] == "Namespace":
            api.edit("Namespace", "models", {"metadata": {"labels": each["metadata"]["labels"]}})
        else:
            api.create(each, "helm")


def look(api: KubeApi, code: str, namespace: str = "models") -> list[Finding]:
    found = examine(cluster.read(ClusterApi(api.client()), [namespace]))
    return [each for each in found if each.code.startswith(code)]


@pytest.mark.parametrize("code", MENDED_BY_COMMAND)
def test_the_command_of_a_finding_mends_it(code: str, api: KubeApi, tmp_path: Path) -> None:
    change = CASES[code][1 if code in ("BM214", "BM301") else 0]
    world = fresh(change)
    change(world)
    put(api, world)
    env = {**os.environ, "KUBECONFIG": str(api.kubeconfig(tmp_path / "kubeconfig"))}
    env["PATH"] = f"{kubectl().parent}:{env['PATH']}"
    before = look(api, code)
    assert before
    for finding in before:
        [command] = re.findall(r"^kubectl [^;]*?(?=; or |, and run|$)", finding.fix)
        assert not PLACEHOLDER.search(command)
        # A restart needs a controller, which this server has not.
        command = command.partition(" && kubectl -n models rollout")[0]
        done = subprocess.run(
            ["/bin/bash", "-c", command], env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert not look(api, code)


def test_the_doctor_finds_no_quarrel_in_a_mesh_that_the_controller_runs() -> None:
    with mesh_api() as api:
        around = Cluster(api, FakeClock(1_750_000_000.0))
        ports = [{"name": "http", "port": 80}]
        metadata = {"name": "bert"}
        spec = {"selector": {"app": "bert"}, "ports": ports}
        api.create({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
        around.apply(canary="1.1")
        around.run(around.keeper(), until=lambda: around.phase == "Progressing" and around.weight >= 5)
        assert around.weight >= 5
        assert look(api, "BM2", "default") == []
        assert look(api, "BM11", "default") == []
