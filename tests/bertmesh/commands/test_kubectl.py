"""The real kubectl with our plugin on its PATH, against an API server with an operator at work."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.bertmesh.clusters import Busy, busy
from tests.canary.operator.clusters import FAST
from tests.support.helm import kubectl
from tests.support.kubeapi.known import ROOT, mesh_api
from tests.support.kubeapi.samples import rollout

LAUNCHER = '#!/bin/sh\nexec "{python}" -c "from bertmesh.commands.kubectl import main; main()" "$@"\n'


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Busy]:
    with mesh_api() as api, busy(api, tmp_path) as made:
        yield made


class Kubectl:
    """kubectl with a kubeconfig and a PATH of its own."""

    def __init__(self, work: Busy, folder: Path) -> None:
        launcher = folder / "bin" / "kubectl-bertmesh"
        launcher.parent.mkdir()
        launcher.write_text(LAUNCHER.format(python=sys.executable), "utf-8")
        launcher.chmod(0o755)
        self._env = {
            **os.environ,
            "PATH": f"{launcher.parent}:{os.environ['PATH']}",
            "KUBECONFIG": str(work.config),
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
        }

    def __call__(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(kubectl()), *words],
            env=self._env, input=given, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.mark.slow
def test_kubectl_applies_starts_shows_and_undoes(work: Busy, tmp_path: Path) -> None:
    run = Kubectl(work, tmp_path)
    document = yaml.safe_dump(rollout(canary=None, policy=FAST))
    applied = run("apply", "--server-side", "--validate=false", "-f", "-", given=document)
    assert applied.returncode == 0, applied.stderr
    started = run("bertmesh", "start", "1.1", "bert", "-n", "default", "--wait", "--timeout", "60")
    assert started.returncode == 0, started.stderr
    assert "advance (baked)" in started.stdout
    table = run("get", "mr").stdout.splitlines()
    assert table[0].split()[:4] == ["NAME", "PHASE", "STABLE", "CANARY"]
    assert table[1].split()[:4] == ["bert", "Promoted", "1.1", "1.1"]
    undone = run("bertmesh", "undo", "bert", "--now", "--wait", "--timeout", "60")
    assert undone.returncode == 0, undone.stderr
    assert "stable: 1.0" in run("bertmesh", "status", "bert").stdout
    wrong = run("bertmesh", "status", "zh")
    assert wrong.returncode == 1
    assert wrong.stderr == "Error: there is no ModelRollout 'zh' in namespace default; it has: bert\n"
