"""The parts of the node that need no pod."""

import asyncio
import base64
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.control_plane import Network
from tests.cluster.node.api import Change
from tests.cluster.node.dns import HEADER, answer
from tests.cluster.node.environment import command, environment, expanded
from tests.cluster.node.errors import ConfigMissing, ImageUnknown
from tests.cluster.node.fields import field, resource
from tests.cluster.node.images import Image, find
from tests.cluster.node.network import pod_addresses
from tests.cluster.node.plan import Mount, ordered
from tests.cluster.node.security import identity
from tests.cluster.node.services import Services
from tests.cluster.node.status import Facts, State, status_of

NETWORK = Network()
POD = {
    "metadata": {"name": "a", "namespace": "models", "uid": "u", "labels": {"b": '2"', "a": "1"}},
    "spec": {"nodeName": "node", "serviceAccountName": "own", "containers": []},
    "status": {"podIP": "10.244.1.7", "podIPs": [{"ip": "10.244.1.7"}]},
}


class FakeApi:
    """Objects by their path."""

    def __init__(self, objects: Mapping[str, Any]) -> None:
        self._objects = objects

    async def get(self, path: str) -> Any:  # noqa: ANN401 - a document
        return self._objects.get(path)


def test_pods_get_addresses_above_those_of_the_run_itself() -> None:
    given_out = pod_addresses(NETWORK)
    assert [next(given_out) for _ in range(3)] == ["10.244.1.0", "10.244.1.1", "10.244.1.2"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "a"),
        ("spec.serviceAccountName", "own"),
        ("status.podIPs", "10.244.1.7"),
        ("metadata.labels['a']", "1"),
        ("metadata.labels['c']", ""),
        ("metadata.labels", 'a="1"\nb="2\\""'),
        ("metadata.annotations", ""),
    ],
)
def test_a_field_is_told_as_kubernetes_does(path: str, value: str) -> None:
    assert field(POD, path) == value


def test_a_field_that_is_not_offered_is_refused() -> None:
    with pytest.raises(ConfigMissing, match=r"status\.phase"):
        field(POD, "status.phase")


@pytest.mark.parametrize(
    ("reference", "value"),
    [
        ({"resource": "limits.cpu"}, "2"),
        ({"resource": "limits.cpu", "divisor": "1m"}, "1500"),
        ({"resource": "limits.memory", "divisor": "1Mi"}, "1024"),
        ({"resource": "requests.cpu"}, "0"),
    ],
)
def test_a_limit_is_told_in_its_unit_rounded_up_or_as_what_the_node_has(
    reference: Mapping[str, str], value: str
) -> None:
    container = {"name": "c", "resources": {"limits": {"cpu": "1500m"}}}
    assert resource(container, reference, {"cpu": "2", "memory": "1Gi"}) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("$(A)", "1"), ("x$(A)y$(A)", "x1y1"), ("$(B)", "$(B)"), ("$$(A)", "$(A)"), ("$A $()", "$A $()")],
)
def test_names_are_filled_in(text: str, value: str) -> None:
    assert expanded(text, {"A": "1"}) == value


def resolved(container: Mapping[str, Any], objects: Mapping[str, Any]) -> dict[str, str]:
    api: Any = FakeApi(objects)
    return asyncio.run(environment(container, POD, api, allocatable={"cpu": "2"}, base={"PATH": "/bin"}))


def test_the_environment_is_the_images_then_envfrom_then_env() -> None:
    objects = {
        "/api/v1/namespaces/models/configmaps/plain": {"kind": "ConfigMap", "data": {"A": "map", "B": "map"}},
        "/api/v1/namespaces/models/secrets/secret": {
            "kind": "Secret",
            "data": {"key": base64.b64encode(b"hidden").decode()},
        },
    }
    container = {
        "envFrom": [{"configMapRef": {"name": "plain"}, "prefix": "P_"}, {"configMapRef": {"name": "plain"}}],
        "env": [
            {"name": "B", "value": "own"},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "key"}}},
            {"name": "D", "valueFrom": {"configMapKeyRef": {"name": "no", "key": "x", "optional": True}}},
            {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "F", "value": "$(C) of $(E)"},
        ],
    }
    assert resolved(container, objects) == {
        "PATH": "/bin",
        "P_A": "map",
        "P_B": "map",
        "A": "map",
        "B": "own",
        "C": "hidden",
        "E": "a",
        "F": "hidden of a",
    }


@pytest.mark.parametrize("kind", ["configMapKeyRef", "secretKeyRef"])
def test_what_the_environment_lacks_is_named(kind: str) -> None:
    container = {"env": [{"name": "A", "valueFrom": {kind: {"name": "gone", "key": "x"}}}]}
    with pytest.raises(ConfigMissing, match="gone"):
        resolved(container, {})


@pytest.mark.parametrize(
    ("container", "words"),
    [
        ({}, ["entry", "default"]),
        ({"args": ["own"]}, ["entry", "own"]),
        ({"command": ["other"]}, ["other"]),
        ({"command": ["other"], "args": ["$(A)"]}, ["other", "1"]),
    ],
)
def test_a_command_line_is_the_images_unless_the_pod_says_so(
    container: Mapping[str, Any], words: list[str]
) -> None:
    assert command(container, {"A": "1"}, (("entry",), ("default",))) == words


@pytest.mark.parametrize(
    "reference",
    [
        "valkey/valkey",
        "valkey/valkey:8.1",
        "mirror.example:5000/x/valkey/valkey:8.1@sha256:" + 64 * "a",
        "docker.io/valkey/valkey@sha256:" + 64 * "0",
    ],
)
def test_an_image_is_found_by_the_end_of_its_repository(reference: str) -> None:
    wanted = Image(workdir="/data")
    assert find({"valkey/valkey": wanted, "bertmesh": Image()}, reference) is wanted


def test_an_unknown_image_is_named_with_those_there_are() -> None:
    with pytest.raises(ImageUnknown, match=r"no image other/valkey:1 here; this node knows bertmesh"):
        find({"bertmesh": Image()}, "other/valkey:1")


def test_an_image_survives_the_way_to_the_node() -> None:
    image = Image(files={"/a": "/b"}, entrypoint=("x",), arguments=("y",), user=7, account="z")
    assert Image.read(image.document()) == image


def test_mounts_come_in_an_order_in_which_none_hides_another() -> None:
    mounts = [
        Mount("/1", "/var/run/secrets"),
        Mount("/2", "/var"),
        Mount("/3", "/var/run"),
        Mount("/4", "/var"),
    ]
    assert [each.source for each in ordered(mounts)] == ["/4", "/3", "/1"]


def test_a_restricted_container_is_nobody_with_no_capabilities() -> None:
    pod = {"spec": {"securityContext": {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 5}}}
    strict = {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]},
    }
    who = identity(pod, {"name": "c", "securityContext": {**strict, "runAsUser": 1337}}, 0)
    assert (who.uid, who.gid, who.groups, who.read_only_root) == (1337, 10001, (5,), True)
    assert who.capabilities == frozenset({"net_admin"})
    assert "--no-new-privs" in who.command


def test_a_container_that_must_not_be_root_and_would_be_is_refused() -> None:
    pod = {"spec": {"securityContext": {"runAsNonRoot": True}}}
    with pytest.raises(ConfigMissing, match="runAsNonRoot"):
        identity(pod, {"name": "c"}, 0)
    assert identity(pod, {"name": "c"}, 999).uid == 999


def service(name: str, **spec: object) -> Change:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    metadata = {"name": name, "namespace": "models"}
    return Change({"metadata": metadata, "spec": {"clusterIP": "10.96.0.20", "ports": ports, **spec}})


def endpoints(name: str, *addresses: str, ready: bool = True) -> Change:
    metadata = {"uid": name, "namespace": "models", "labels": {"kubernetes.io/service-name": name}}
    pods = [
        {"addresses": [each], "hostname": f"{name}-{number}", "conditions": {"ready": ready}}
        for number, each in enumerate(addresses)
    ]
    ports = [{"name": "http", "port": 8000, "protocol": "TCP"}]
    return Change({"metadata": metadata, "ports": ports, "endpoints": pods})


@pytest.fixture
def services() -> Services:
    return Services(NETWORK)


def test_a_service_is_found_by_its_whole_name(services: Services) -> None:
    services.note_service(service("bert"))
    assert services.resolve("bert.models.svc.cluster.local") == ["10.96.0.20"]
    for other in ("bert", "bert.other.svc.cluster.local", "a.bert.models.svc.cluster.local", "example.org"):
        assert services.resolve(other) is None


def test_a_headless_service_is_its_ready_pods_each_by_name_too(services: Services) -> None:
    services.note_service(service("redis", clusterIP="None"))
    services.note_slice(endpoints("redis", "10.244.1.7", "10.244.1.8"))
    assert services.resolve("redis.models.svc.cluster.local") == ["10.244.1.7", "10.244.1.8"]
    assert services.resolve("redis-1.redis.models.svc.cluster.local") == ["10.244.1.8"]
    services.note_slice(endpoints("redis", "10.244.1.7", ready=False))
    assert services.resolve("redis.models.svc.cluster.local") == []


def test_an_external_name_on_loopback_is_the_node(services: Services) -> None:
    services.note_service(service("istiod", type="ExternalName", externalName="localhost"))
    assert services.resolve("istiod.models.svc.cluster.local") == ["10.244.0.1"]


def test_each_pod_of_a_service_gets_the_same_share(services: Services) -> None:
    services.note_service(service("bert"))
    services.note_slice(endpoints("bert", "10.244.1.7", "10.244.1.8"))
    rules = [line for line in services.rules().splitlines() if "DNAT" in line]
    assert ["--probability 0.5" in line for line in rules] == [True, False]
    assert [line.split()[-1] for line in rules] == ["10.244.1.7:8000", "10.244.1.8:8000"]


def test_a_service_that_goes_takes_its_rules_along(services: Services) -> None:
    services.note_service(service("bert"))
    services.note_slice(endpoints("bert", "10.244.1.7"))
    services.note_service(Change(service("bert").document, gone=True))
    assert "DNAT" not in services.rules()
    assert services.resolve("bert.models.svc.cluster.local") is None


def query(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes([len(each)]) + each.encode() for each in name.split("."))
    return HEADER.pack(7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!2H", kind, 1)


def reply_of(name: str, kind: int, found: list[str] | None) -> tuple[int, int, int, bytes]:
    reply = answer(query(name, kind), {name: found}.get)
    number, flags, _, count, *_ = HEADER.unpack_from(reply)
    return number, flags & 0xF, count, reply[-4:]


def test_the_dns_answers_with_addresses_and_knows_what_there_is_not() -> None:
    assert reply_of("bert.x", 1, ["10.96.0.20"]) == (7, 0, 1, bytes([10, 96, 0, 20]))
    assert reply_of("bert.x", 28, ["10.96.0.20"])[:3] == (7, 0, 0)
    assert reply_of("bert.x", 1, None)[:3] == (7, 3, 0)


@given(st.binary(max_size=600))
def test_what_is_no_question_is_no_harm(data: bytes) -> None:
    try:
        answer(data, lambda _: None)
    except (struct.error, IndexError, UnicodeDecodeError):
        return


def state(**now: object) -> State:
    return State(now={next(iter(now)): next(iter(now.values()))}, last={})


def phase(*states: State, finished: bool = False, failed: bool = False) -> str:
    facts = Facts("now", "10.244.0.1", "10.244.1.7", initialized=True, finished=finished, failed=failed)
    spec = {"name": "c", "image": "i"}
    return str(status_of(POD, [], [(spec, each) for each in states], facts)["phase"])


def test_the_phase_follows_from_the_containers() -> None:
    waiting, running = state(waiting={}), state(running={})
    assert phase(running, waiting) == "Pending"
    assert phase(running, State(now={"waiting": {}}, last={"terminated": {}})) == "Running"
    assert phase(state(terminated={"exitCode": 0}), finished=True) == "Succeeded"
    assert (
        phase(state(terminated={"exitCode": 0}), state(terminated={"exitCode": 1}), finished=True) == "Failed"
    )
    assert phase(waiting, finished=True, failed=True) == "Failed"


def test_a_condition_keeps_its_time_until_it_changes_and_others_stay() -> None:
    before = [
        {"type": "Initialized", "status": "True", "lastTransitionTime": "then"},
        {"type": "Ready", "status": "True", "lastTransitionTime": "then"},
        {"type": "PodScheduled", "status": "True", "lastTransitionTime": "then"},
    ]
    pod = {**POD, "status": {"conditions": before}}
    facts = Facts("now", "10.244.0.1", "10.244.1.7", initialized=True, finished=False, failed=False)
    status = status_of(pod, [], [({"name": "c", "image": "i"}, state(running={}))], facts)
    times = {each["type"]: each["lastTransitionTime"] == "then" for each in status["conditions"]}
    assert (times["Initialized"], times["Ready"], times["PodScheduled"]) == (True, False, True)
