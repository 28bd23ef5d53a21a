"""The Roles in deploy/rbac: all that is granted is used, and nothing else is asked for."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from canary.cluster.asking import ProxyAsker
from canary.cluster.golden_set import finder
from canary.operator.keeper import RolloutKeeper
from canary.resource.gates import Golden, Notification
from canary.rollout.decision import Action
from canary.rollout.history import Entry
from mesh.model import Split
from modelstore.errors import BadGolden
from tests.canary.cluster.worlds import ISTIO, LABELS, STANDARD, gateway, server
from tests.canary.operator.clusters import Cluster
from tests.canary.operator.replicas import RBAC, documents, role, running
from tests.support.kubeapi.access import Access
from tests.support.kubeapi.builtin import published
from tests.support.kubeapi.kinds import Kind
from tests.support.kubeapi.known import UPSTREAM, crd_file
from tests.support.kubeapi.samples import deployment, rollout, untyped
from tests.support.kubeapi.target import Target
from tests.support.processes import wait_until

TOKEN = "operator"  # noqa: S105 - the key of a throwaway server
Right = tuple[str, str, str]


def granted(role: Mapping[str, Any]) -> set[Right]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


class Recorder:
    """What the operator asked for, and what of it was refused."""

    def __init__(self) -> None:
        self.used: set[Right] = set()
        self.refused: set[Right] = set()

    def note(self, *, allowed: bool, verb: str, target: Target) -> None:
        name = "/".join(filter(None, (target.kind.plural, target.subresource)))
        (self.used if allowed else self.refused).add((target.kind.group, name, verb))


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made, judge = Recorder(), Access.allows

    def allows(access: Access, token: str, verb: str, target: Target) -> bool:
        allowed = judge(access, token, verb, target)
        if token == TOKEN:
            made.note(allowed=allowed, verb=verb, target=target)
        return allowed

    monkeypatch.setattr(Access, "allows", allows)
    return made


def work(cluster: Cluster) -> None:
    """Let the operator do everything that it can do to the cluster."""
    cluster.apply()
    with running(cluster, TOKEN):
        wait_until(lambda: cluster.condition("Ready")["status"] == "True")
        cluster.command("pause")
        wait_until(lambda: "Commanded" in {each["type"] for each in cluster.status["conditions"]})
    tools = cluster.tools(token=TOKEN)
    for service, routing in {
        "meshless": {"style": "services"},
        "gated": {"style": "gatewayAPI", "gateways": ["public"]},
    }.items():
        cluster.api.create(
            deployment(f"{service}-1.0", replicas=1, labels={"app": service, "version": "1.0"})
        )
        other = rollout(service, service=service, canary=None, routing=routing)
        cluster.api.create(other)
        keeper = RolloutKeeper(tools, "default", service)
        for _ in range(10):
            cluster.clock.time += 1
            keeper.attend()
        ready = cluster.api.get("ModelRollout", service)["status"]["conditions"][0]
        assert (ready["type"], ready["status"]) == ("Ready", "True"), ready
    with pytest.raises(BadGolden):
        finder(tools.api, "default", Golden(config_map="golden"))(untyped(None))
    entry = Entry(1, 0.0, Action.ADVANCE, "baked", "done", "controller", phase="Promoted", weight_to=100)
    secret = Notification(name="chat", secret="slack")
    tools.notifier.tell("default", "bert", (secret,), entry)
    tools.notifier.close()


@pytest.mark.slow
def test_the_operator_uses_all_of_its_role_and_asks_for_nothing_more(
    cluster: Cluster, recorder: Recorder
) -> None:
    lease = role("lease.yaml")
    gateways = role("gateways.yaml")
    cluster.api.grant(TOKEN, [role("namespaced.yaml"), gateways, lease])
    work(cluster)
    ask_gateways(cluster)
    assert not recorder.refused
    assert recorder.used == granted(role("namespaced.yaml")) | granted(gateways) | granted(lease)


def ask_gateways(cluster: Cluster) -> None:
    """Let a gateway of each API be looked for, and one pod be found."""
    for pattern in UPSTREAM:
        crds = crd_file(pattern)
        if crds is not None:
            cluster.api.install(crds, "Gateway")
    schema = published("io.k8s.api.discovery.v1.EndpointSlice")
    cluster.api.registry.add(Kind("discovery.k8s.io", "endpointslices", "EndpointSlice", {"v1": schema}))
    cluster.api.create(gateway(server(80), name="public"))
    pods = {"containers": [{"name": "istio-proxy", "image": "proxy"}]}
    metadata = {"name": "ingress-0", "namespace": "default", "labels": LABELS}
    cluster.api.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pods})
    api = cluster.tools(token=TOKEN).api
    for version in (ISTIO, STANDARD):
        parents = {"gateways": ["public"], "parentRefs": [{"name": "public"}], "hosts": ["*"]}
        kind = "VirtualService" if version == ISTIO else "HTTPRoute"
        route = {"apiVersion": version, "kind": kind, "metadata": {"namespace": "default"}, "spec": parents}
        with ThreadPoolExecutor(1) as workers:
            asker = ProxyAsker(api, "bert", "default", partial(dict, route), workers, ("default",))
            assert asker.ask(Split("1.0")).silent


def test_the_cluster_mode_grants_the_same_and_nothing_else_is_cluster_wide() -> None:
    both = granted(role("namespaced.yaml")) | granted(role("gateways.yaml"))
    assert granted(role("cluster.yaml")) == both
    kinds = {path.name: {each["kind"] for each in documents(path.name)} for path in RBAC.glob("*.yaml")}
    assert kinds == {
        "cluster.yaml": {"ClusterRole", "ClusterRoleBinding"},
        "gateways.yaml": {"Role", "RoleBinding"},
        "lease.yaml": {"ServiceAccount", "Role", "RoleBinding"},
        "namespaced.yaml": {"Role", "RoleBinding"},
        "console.yaml": {"Role", "RoleBinding"},
        "people.yaml": {"Role"},
    }
    assert not any("*" in right for name in kinds for right in granted(role(name)))
