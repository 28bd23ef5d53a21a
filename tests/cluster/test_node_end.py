"""The end of a node: nothing outlives it, and the next one takes over."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.cluster.control_plane import ControlPlane
from tests.cluster.node import Node
from tests.support.process_group import bound
from tests.support.processes import wait_until

ROOT = Path(__file__).parents[2]
MARK = "BERTMESH_TEST_END"
# A test run of its own, whose end nobody tells it of.
RUN = """
import sys, time
from pathlib import Path
from tests.cluster.control_plane import ControlPlane
from tests.cluster.node import Node

folder, kubeconfig, ca, kubectl = map(Path, sys.argv[1:])
with Node(ControlPlane(folder, kubeconfig, ca, kubectl, {})):
    print("up", flush=True)
    time.sleep(1000000)
"""


@contextmanager
def other_run(plane: ControlPlane, folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a node in a process of its own."""
    (folder / "logs").mkdir()
    places = [str(each) for each in (folder, plane.kubeconfig, plane.ca, plane.kubectl_binary)]
    words = [sys.executable, "-c", RUN, *places]
    with (
        subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as child,
        bound(child.pid),
    ):
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        yield child


def make_pod(plane: ControlPlane, namespace: str) -> None:
    """Make a pod whose processes know whose they are."""
    env = [{"name": MARK, "value": namespace}]
    container = {"name": "main", "image": "bertmesh:0.1.0", "command": ["sleep", "1000000"], "env": env}
    metadata = {"name": "marked", "namespace": namespace}
    plane.apply(
        {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}
    )


def processes(namespace: str) -> list[psutil.Process]:
    """Return the processes of the pod."""
    return [each for each in psutil.process_iter() if _environment(each).get(MARK) == namespace]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def test_a_killed_test_run_leaves_no_process_behind(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    with other_run(control_plane, tmp_path) as run:
        make_pod(control_plane, namespace)
        wait_until(lambda: processes(namespace), "the pod runs")
        nodes = [
            each for each in psutil.process_iter() if str(tmp_path / "node" / "settings.json") in _words(each)
        ]
        assert nodes
        run.kill()
        run.wait()
        wait_until(lambda: not processes(namespace), "the pod's processes are gone")
        wait_until(lambda: not any(each.is_running() for each in nodes), "the node is gone")


def _words(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.Error, OSError):
        return []


def test_pods_run_on_where_another_node_takes_over_and_end_with_it(
    control_plane: ControlPlane, namespace: str
) -> None:
    with Node(control_plane):
        make_pod(control_plane, namespace)
        wait_until(lambda: processes(namespace), "the pod runs")
    assert not processes(namespace)
    with Node(control_plane):
        wait_until(lambda: processes(namespace), "the pod runs again")
    assert not processes(namespace)
