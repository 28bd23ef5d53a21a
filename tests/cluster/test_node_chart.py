"""The chart's pods as processes, with Istio's sidecars in all of them and STRICT mTLS between."""

from collections.abc import Iterator

import pytest
import urllib3

from tests.chart.harness import CHART, RELEASE
from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.gateway import rejects
from tests.cluster.node import Node
from tests.cluster.release import pods_of, run_helm
from tests.support.processes import wait_until

REQUEST = """
import json, sys, urllib.error, urllib.request
body = json.dumps({"text": "中国的首都是[MASK]京。"}).encode()
request = urllib.request.Request(sys.argv[1], body, {"Content-Type": "application/json"})
try:
    with urllib.request.urlopen(request, timeout=20) as answer:
        print(answer.status, json.load(answer)["result"][0]["token"])
except urllib.error.HTTPError as error:
    print(error.code)
except OSError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def release(mesh: ControlPlane, sidecars: Node) -> Iterator[str]:
    assert sidecars.alive
    with mesh.namespace() as namespace:
        friend = f"cluster.local/ns/{namespace}/sa/friend"
        values = {"mesh": {"authorization": {"clients": [friend]}}}
        run_helm(mesh, namespace, "install", RELEASE, str(CHART), "--wait", values=values)
        yield namespace
        run_helm(mesh, namespace, "uninstall", RELEASE, "--ignore-not-found", "--wait")
        # The chart keeps it; the next release may be another's.
        mesh.kubectl("delete", "crd", "modelrollouts.bertmesh.dev")


def client(plane: ControlPlane, namespace: str, name: str) -> str:
    """Make a pod in the mesh with an account of its own; return its namespace and name."""
    metadata: Document = {"name": name, "namespace": namespace}
    plane.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    container = {"name": "main", "image": "bertmesh:0.1.0", "command": ["sleep", "1000000"]}
    spec = {"serviceAccountName": name, "containers": [container], "terminationGracePeriodSeconds": 0}
    labels = {"sidecar.istio.io/inject": "true"}
    plane.apply({"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "labels": labels}, "spec": spec})
    plane.kubectl(
        "wait", "--for=condition=Ready", f"pod/{name}", f"--namespace={namespace}", "--timeout=120s"
    )
    return f"{namespace}/{name}"


def test_a_release_serves_its_mesh_and_nobody_else(mesh: ControlPlane, sidecars: Node, release: str) -> None:
    pods = pods_of(mesh, release, "model")
    for pod in pods:
        names = [each["name"] for each in pod["spec"]["initContainers"]]
        assert {"istio-init", "istio-proxy"} <= set(names)
    friend, stranger = (client(mesh, release, name) for name in ("friend", "stranger"))

    def asked(who: str) -> str:
        url = f"http://{RELEASE}.{release}.svc.cluster.local/fill-mask"
        return sidecars.exec(who, "main", "python", "-c", REQUEST, url).stdout.strip()

    wait_until(lambda: asked(friend) == "200 北", lambda: f"the friend is answered: {asked(friend)}")
    assert asked(stranger) == "403"
    with pytest.raises(urllib3.exceptions.HTTPError):
        # Plain HTTP to a pod's address: its sidecar wants a certificate.
        urllib3.request("GET", f"http://{pods[0]['status']['podIP']}:8000/readyz", retries=False, timeout=5)
    assert rejects(mesh) == 0


def test_the_releases_own_test_passes(mesh: ControlPlane, release: str) -> None:
    told = run_helm(mesh, release, "test", RELEASE)
    assert "Phase:          Succeeded" in told


def test_the_operator_works_with_the_rights_that_the_chart_gives_it(
    mesh: ControlPlane, sidecars: Node, release: str
) -> None:
    def status() -> Document:
        found: Document = mesh.get("modelrollout", RELEASE, release).get("status", {})
        return found

    wait_until(lambda: status().get("observedGeneration"), lambda: f"the operator has seen it: {status()}")
    names = [each["metadata"]["name"] for each in pods_of(mesh, release, "controller")]
    assert names
    assert not any("Traceback" in sidecars.log(f"{release}/{name}", "controller") for name in names)
