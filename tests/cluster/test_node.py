"""The node with a real API server: what pods are, from their first moment to their last."""

import signal
from collections.abc import Mapping
from typing import Any

import psutil
import pytest

from tests.cluster.control_plane import ControlPlane, Document
from tests.cluster.node import Node
from tests.support.processes import wait_until

STRICT: Mapping[str, Any] = {
    "runAsNonRoot": True,
    "runAsUser": 10001,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
# A signal that comes before there is a handler is lost, as for any process 1.
SERVE = """
import http.server, os, signal, sys
signal.signal(signal.SIGTERM, lambda *_: (print("told to end", flush=True), sys.exit(0)))
print("started", flush=True)
place = ("0.0.0.0", int(os.environ.get("PORT", "8000")))
http.server.ThreadingHTTPServer(place, http.server.SimpleHTTPRequestHandler).serve_forever()
"""
READY: Mapping[str, Any] = {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1}


class Pods:
    """Makes pods in a namespace, and waits for what becomes of them."""

    def __init__(self, plane: ControlPlane, node: Node, namespace: str) -> None:
        self.plane = plane
        self.node = node
        self.namespace = namespace

    def make(
        self,
        name: str,
        *containers: Mapping[str, Any],
        labels: Mapping[str, str] | None = None,
        **spec: object,
    ) -> str:
        """Make a pod; return its namespace and name."""
        metadata = {"name": name, "namespace": self.namespace, "labels": dict(labels or {})}
        whole = {"terminationGracePeriodSeconds": 20, "containers": [*containers], **spec}
        self.plane.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": whole})
        return f"{self.namespace}/{name}"

    def status(self, name: str) -> Document:
        """Return a pod's status."""
        status: Document = self.plane.get("pod", name, self.namespace)["status"]
        return status

    def state(self, name: str, container: int = 0) -> Document:
        """Return the status of a container."""
        found: list[Document] = self.status(name).get("containerStatuses", [])
        return found[container] if found else {"state": {}, "restartCount": 0}

    def await_ready(self, name: str) -> None:
        """Wait until a pod is Ready."""
        wait_until(lambda: self.is_ready(name), lambda: f"{name} is ready: {self.status(name)}")

    def is_ready(self, name: str) -> bool:
        """Return whether a pod is Ready."""
        conditions = self.status(name).get("conditions", [])
        return {"Ready": "True"}.items() <= {each["type"]: each["status"] for each in conditions}.items()

    def await_phase(self, name: str, phase: str) -> None:
        """Wait until a pod is in a phase."""
        wait_until(
            lambda: self.status(name).get("phase") == phase, lambda: f"{name} is {phase}: {self.status(name)}"
        )

    def delete(self, name: str) -> None:
        """Delete a pod and wait until it is gone."""
        self.plane.kubectl("delete", "pod", name, "--namespace", self.namespace)

    def python(self, pod: str, program: str, container: str = "main") -> str:
        """Run a program in a container and return what it prints."""
        done = self.node.exec(pod, container, "python", "-c", program)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture
def pods(control_plane: ControlPlane, node: Node, namespace: str) -> Pods:
    return Pods(control_plane, node, namespace)


def python(program: str, name: str = "main", **more: object) -> Document:
    """Return a container of the project's image that runs a program."""
    return {"name": name, "image": "bertmesh:0.1.0", "command": ["python", "-c", program], **more}


def server(name: str = "main", **more: object) -> Document:
    """Return a container that serves on port 8000."""
    return python(SERVE, name, readinessProbe=READY, **more)


def test_a_container_is_who_its_security_context_says(pods: Pods) -> None:
    pod = pods.make(
        "strict", server(securityContext=STRICT), securityContext={"runAsGroup": 7, "fsGroup": 10001}
    )
    pods.await_ready("strict")
    program = """
import os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
try:
    open("/x", "w")
except OSError as error:
    refused = error.strerror
print(os.getuid(), os.getgid(), os.getgroups(), refused)
print(status["CapBnd"].strip(), status["NoNewPrivs"].strip())
"""
    expected = ["10001 7 [10001] Read-only file system", "0000000000000000 1"]
    assert pods.python(pod, program).splitlines() == expected
    assert pods.python(
        pod, "print(open('/proc/1/comm').read(), open('/proc/sys/kernel/hostname').read())"
    ).split() == [
        "python",
        "strict",
    ]


def test_a_container_finds_what_its_spec_names(pods: Pods) -> None:
    name = {"namespace": pods.namespace}
    pods.plane.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "plain", **name},
            "data": {"key": "of a map"},
        },
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": "hidden", **name},
            "stringData": {"key": "of a secret"},
        },
    )
    env = [
        {"name": "MAP", "valueFrom": {"configMapKeyRef": {"name": "plain", "key": "key"}}},
        {"name": "SECRET", "valueFrom": {"secretKeyRef": {"name": "hidden", "key": "key"}}},
        {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    mounts = [
        {"name": "map", "mountPath": "/files/map"},
        {"name": "secret", "mountPath": "/files/one", "subPath": "key"},
        {"name": "empty", "mountPath": "/files/empty"},
    ]
    volumes = [
        {"name": "map", "configMap": {"name": "plain"}},
        {"name": "secret", "secret": {"secretName": "hidden"}},
        {"name": "empty", "emptyDir": {}},
    ]
    pod = pods.make("named", server(env=env, volumeMounts=mounts, securityContext=STRICT), volumes=volumes)
    pods.await_ready("named")
    address = pods.node.address(pod)
    assert pods.python(
        pod, "import os; print(os.environ['MAP'], os.environ['SECRET'], os.environ['ADDRESS'])"
    ) == (f"of a map of a secret {address}")
    program = (
        "open('/files/empty/x', 'w'); print(*(open(f'/files/{each}').read() for each in ('map/key', 'one')))"
    )
    assert pods.python(pod, program) == "of a map of a secret"


def test_a_pod_speaks_to_the_api_with_the_rights_of_its_account_alone(pods: Pods) -> None:
    pod = pods.make("account", server())
    pods.await_ready("account")
    program = """
import json, ssl, urllib.error, urllib.request
folder = "/var/run/secrets/kubernetes.io/serviceaccount"
trusted = ssl.create_default_context(cafile=f"{folder}/ca.crt")
token, namespace = open(f"{folder}/token").read(), open(f"{folder}/namespace").read()
def ask(path, body=None):
    data = body and json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"https://kubernetes.default.svc{path}", data, headers)
    try:
        return json.load(urllib.request.urlopen(request, context=trusted))
    except urllib.error.HTTPError as error:
        return error.code
review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
user = ask("/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
pod = user["extra"]["authentication.kubernetes.io/pod-name"][0]
print(namespace, user["username"], pod, ask("/api/v1/secrets"))
"""
    who = f"system:serviceaccount:{pods.namespace}:default"
    assert pods.python(pod, program) == f"{pods.namespace} {who} account 403"


def test_an_init_container_redirects_the_pods_connections_but_those_of_one_user(pods: Pods) -> None:
    # As Istio's does it for its proxy.
    rule = (
        "iptables -t nat -A OUTPUT -p tcp --dport 81 -m owner ! --uid-owner 1337 -j REDIRECT --to-ports 8000"
    )
    rights = {
        "capabilities": {"add": ["NET_ADMIN", "NET_RAW"], "drop": ["ALL"]},
        "runAsUser": 0,
        "runAsNonRoot": False,
    }
    init = python("", "redirect", securityContext={**STRICT, **rights, "readOnlyRootFilesystem": False})
    exempt = python(
        "import time; time.sleep(1000000)", "exempt", securityContext={**STRICT, "runAsUser": 1337}
    )
    main = server(securityContext=STRICT)
    pod = pods.make("redirected", main, exempt, initContainers=[{**init, "command": ["sh", "-c", rule]}])
    pods.await_ready("redirected")
    program = """
import urllib.error, urllib.request
try:
    print(urllib.request.urlopen("http://127.0.0.1:81/").status)
except urllib.error.URLError as error:
    print(error.reason.strerror)
"""
    assert pods.python(pod, program) == "200"
    assert pods.python(pod, program, "exempt") == "Connection refused"


def test_what_a_container_lacks_is_said_and_it_starts_when_that_comes(pods: Pods) -> None:
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "key"}}}]
    pods.make("late", server(env=env))
    wait_until(
        lambda: "late" in pods.state("late")["state"].get("waiting", {}).get("message", ""),
        "the missing map is named",
    )
    assert pods.state("late")["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    metadata = {"name": "late", "namespace": pods.namespace}
    pods.plane.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "x"}})
    pods.await_ready("late")
    assert pods.state("late")["restartCount"] == 0


def test_an_image_that_the_node_does_not_have_is_not_pulled(pods: Pods) -> None:
    pods.make("unknown", {"name": "main", "image": "example.org/other:1"})
    wait_until(lambda: pods.state("unknown")["state"].get("waiting", {}).get("reason") == "ErrImagePull")


def test_a_pod_on_the_nodes_own_network_is_refused(pods: Pods) -> None:
    pods.make("outside", server(), hostNetwork=True)
    wait_until(lambda: "hostNetwork" in pods.state("outside")["state"].get("waiting", {}).get("message", ""))


def test_containers_begin_in_order_and_sidecars_end_last(pods: Pods) -> None:
    say = "import time; print(time.monotonic_ns(), flush=True)"
    probe = {"httpGet": {"path": "/", "port": 8001}, "periodSeconds": 1}
    port = [{"name": "PORT", "value": "8001"}]
    sidecar = python(SERVE, "sidecar", env=port, restartPolicy="Always", startupProbe=probe)
    pod = pods.make("order", server(), initContainers=[python(say, "first"), sidecar, python(say, "second")])
    pods.await_ready("order")
    first, second = (int(pods.node.log(pod, name)) for name in ("first", "second"))
    assert first < second
    states = [each["state"] for each in pods.status("order")["initContainerStatuses"]]
    assert [next(iter(each)) for each in states] == ["terminated", "running", "terminated"]
    pods.delete("order")
    assert "told to end" in pods.node.log(pod, "main")
    assert "told to end" in pods.node.log(pod, "sidecar")


def test_an_init_container_that_fails_is_tried_again(pods: Pods) -> None:
    program = "import os, sys; n = len(os.listdir('/tries')); open(f'/tries/{n}', 'w'); sys.exit(n < 2)"
    tries: Document = {"volumeMounts": [{"name": "tries", "mountPath": "/tries"}]}
    pods.make(
        "tries",
        server(),
        initContainers=[python(program, "init", **tries)],
        volumes=[{"name": "tries", "emptyDir": {}}],
    )
    pods.await_ready("tries")
    assert pods.status("tries")["initContainerStatuses"][0]["restartCount"] == 2


def test_a_pod_that_is_not_restarted_ends_as_its_container_does(pods: Pods) -> None:
    sidecar = server("sidecar", restartPolicy="Always")
    pods.make("good", python("pass"), restartPolicy="Never", initContainers=[sidecar])
    pods.make("bad", python("raise SystemExit(3)"), restartPolicy="Never")
    pods.await_phase("good", "Succeeded")
    pods.await_phase("bad", "Failed")
    assert pods.state("bad")["state"]["terminated"]["exitCode"] == 3


def test_a_dead_container_is_started_again(pods: Pods) -> None:
    pod = pods.make("killed", server())
    pods.await_ready("killed")
    [found] = [each for each in psutil.process_iter() if _is_main_of(each, "killed")]
    found.kill()
    wait_until(lambda: pods.state("killed")["restartCount"] == 1, "it is started again")
    pods.await_ready("killed")
    assert pods.state("killed")["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert pods.node.log(pod, "main").count("started") == 2


def _is_main_of(process: psutil.Process, hostname: str) -> bool:
    try:
        return process.cmdline()[1:2] == ["-c"] and process.environ().get("HOSTNAME") == hostname
    except (psutil.Error, OSError):
        return False


def test_a_container_that_fails_its_liveness_probe_is_ended_and_started_again(pods: Pods) -> None:
    probe = {"exec": {"command": ["test", "!", "-e", "/sick/now"]}, "periodSeconds": 1, "failureThreshold": 2}
    sick: Document = {"volumeMounts": [{"name": "sick", "mountPath": "/sick"}]}
    pod = pods.make("sick", server(livenessProbe=probe, **sick), volumes=[{"name": "sick", "emptyDir": {}}])
    pods.await_ready("sick")
    pods.python(pod, "open('/sick/now', 'w')")
    wait_until(lambda: pods.state("sick")["restartCount"] >= 1, "it is started again")
    assert "told to end" in pods.node.log(pod, "main")


def test_a_pod_is_ready_for_as_long_as_its_probe_says_so(pods: Pods) -> None:
    probe = {"exec": {"command": ["test", "-e", "/state/ready"]}, "periodSeconds": 1, "failureThreshold": 1}
    mounts: Document = {"volumeMounts": [{"name": "state", "mountPath": "/state"}]}
    volumes = [{"name": "state", "emptyDir": {}}]
    pod = pods.make("moody", python(SERVE, readinessProbe=probe, **mounts), volumes=volumes)
    wait_until(lambda: pods.state("moody")["state"].get("running"), "it runs")
    assert not pods.is_ready("moody")
    pods.python(pod, "open('/state/ready', 'w')")
    pods.await_ready("moody")
    pods.python(pod, "import os; os.remove('/state/ready')")
    wait_until(lambda: not pods.is_ready("moody"), "it is not ready any more")


def test_a_deleted_pod_gets_its_hook_its_signal_and_then_no_mercy(pods: Pods) -> None:
    hook = {"preStop": {"exec": {"command": ["sh", "-c", "echo hooked >> /proc/1/fd/1"]}}}
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(1)"
    pod = pods.make("ended", server(lifecycle=hook), python(deaf, "deaf"), terminationGracePeriodSeconds=3)
    pods.await_ready("ended")
    pods.delete("ended")
    assert pods.node.log(pod, "main").splitlines()[-2:] == ["hooked", "told to end"]


def test_services_are_reached_by_name_and_spread(pods: Pods) -> None:
    for name in ("one", "two", "client"):
        pods.make(name, server(), labels={"app": "server" if name != "client" else "client"})
    for name, more in (("server", {}), ("headless", {"clusterIP": "None"}), ("nobody", {})):
        spec = {
            "selector": {"app": "nobody" if name == "nobody" else "server"},
            "ports": [{"port": 80, "targetPort": 8000}],
        }
        metadata = {"name": name, "namespace": pods.namespace}
        pods.plane.apply(
            {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {**spec, **more}}
        )
    for name in ("one", "two", "client"):
        pods.await_ready(name)
    client = f"{pods.namespace}/client"
    asked = "import urllib.request as r; [r.urlopen('http://server/?asked').status for _ in range(40)]"
    wait_until(
        lambda: pods.node.exec(client, "main", "python", "-c", asked).returncode == 0, "the Service answers"
    )
    for name in ("one", "two"):
        assert '"GET /?asked HTTP/1.1" 200' in pods.node.log(f"{pods.namespace}/{name}", "main")
    looked_up = pods.python(client, "import socket; print(*sorted(socket.gethostbyname_ex('headless')[2]))")
    assert looked_up.split() == sorted(
        pods.node.address(f"{pods.namespace}/{name}") for name in ("one", "two")
    )
    refused = """
import socket
try:
    socket.create_connection(("nobody", 80))
except ConnectionRefusedError:
    print("refused")
"""
    assert pods.python(client, refused) == "refused"


def test_a_claim_keeps_its_data_when_the_pod_is_another(pods: Pods) -> None:
    name = {"namespace": pods.namespace, "name": "keeper"}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    }
    container = server(volumeMounts=[{"name": "data", "mountPath": "/data"}], securityContext=STRICT)
    template = {"metadata": {"labels": {"app": "keeper"}}, "spec": {"containers": [container]}}
    spec: Document = {"serviceName": "keeper", "selector": {"matchLabels": {"app": "keeper"}}}
    spec |= {"template": template, "volumeClaimTemplates": [claim]}
    pods.plane.apply({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": name, "spec": spec})
    wait_until(
        lambda: "keeper-0" in pods.plane.kubectl("get", "pods", "-n", pods.namespace), "there is a pod"
    )
    pods.await_ready("keeper-0")
    pod = f"{pods.namespace}/keeper-0"
    pods.python(pod, "open('/data/x', 'w').write('kept')")
    first = pods.plane.get("pod", "keeper-0", pods.namespace)["metadata"]["uid"]
    pods.delete("keeper-0")
    wait_until(
        lambda: pods.plane.kubectl("get", "pods", "-n", pods.namespace, "-o", "name"), "there is another pod"
    )
    pods.await_ready("keeper-0")
    assert pods.plane.get("pod", "keeper-0", pods.namespace)["metadata"]["uid"] != first
    assert pods.python(pod, "print(open('/data/x').read())") == "kept"
