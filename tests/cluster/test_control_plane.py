"""What the control plane does by itself, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
from kubernetes.client import VersionApi

from tests.cluster.control_plane import CommandFailed, ControlPlane
from tests.support.kubeapi.known import ROOT
from tests.support.kubeapi.samples import deployment
from tests.support.processes import wait_until

ALONE = """
import sys, time
from pathlib import Path
from tests.cluster.control_plane import Network
from tests.cluster.kubernetes import kubernetes
from tests.cluster.namespaces import own_network

names, folder = sys.argv[2:], Path(sys.argv[1])
programs = {Path(name).name: Path(name) for name in names}
with own_network(Network()), kubernetes(folder, programs, Network()):
    print("ready", flush=True)
    time.sleep(3600)
"""


def test_it_says_which_kubernetes_it_is(control_plane: ControlPlane) -> None:
    assert VersionApi(control_plane.client()).get_code().git_version.startswith("v1.36.")


def test_controllers_make_pods_of_a_deployment_and_end_them_with_their_namespace(
    control_plane: ControlPlane,
) -> None:
    def pods() -> str:
        return control_plane.kubectl("get", "pods", "--namespace", name, "--output=name")

    with control_plane.namespace() as name:
        document = deployment("bert-1.0", replicas=2)
        control_plane.apply({**document, "metadata": {**document["metadata"], "namespace": name}})
        wait_until(lambda: len(pods().splitlines()) == 2, "there are two pods")
    wait_until(lambda: pods() == "", "the pods are gone")


def test_a_namespace_has_the_restrictions_of_its_labels(control_plane: ControlPlane) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "root"},
        "spec": {"containers": [{"name": "root", "image": "any"}]},
    }
    with control_plane.namespace({"pod-security.kubernetes.io/enforce": "restricted"}) as name:
        pod["metadata"] = {"name": "root", "namespace": name}
        with pytest.raises(CommandFailed, match="violates PodSecurity"):
            control_plane.apply(pod)


def test_nothing_of_it_outlives_a_run_that_is_killed(
    programs: Mapping[str, Path], control_plane: ControlPlane, tmp_path: Path
) -> None:
    del control_plane  # only its programs

    def processes() -> list[psutil.Process]:
        return [each for each in psutil.process_iter() if str(tmp_path) in " ".join(_words(each))]

    needed = [str(programs[name]) for name in ("etcd", "kube-apiserver", "kube-controller-manager")]
    command = [sys.executable, "-c", ALONE, str(tmp_path), *needed]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        assert len(processes()) > 3
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: processes() == [], "all processes have ended")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []
