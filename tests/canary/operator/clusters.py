"""A cluster in small: the API server, the Deployment controller, traffic that follows the route, a clock."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from canary.cluster.proof import Asked
from canary.cluster.store import decode
from canary.controller.gates import Reply
from canary.controller.ports import Reached
from canary.measure.counters import Kind, Series
from canary.operator.fence import Fence, FencedApi
from canary.operator.keeper import RolloutKeeper
from canary.operator.notify import Notifier
from canary.operator.timing import Timing
from canary.operator.tools import Adapters
from canary.resource.gates import Webhook
from mesh.cluster.errors import UnreadableRoute
from mesh.cluster.read import read_split
from mesh.cluster.router import ClusterRouter
from mesh.model import Split
from tests.canary.fakes import Executioner, FakeClock, FakeRouter, FakeTraffic
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.samples import deployment, rollout

FAST = {
    "profile": "fast",
    "steps": [{"weight": 20, "soak": "10s"}],
    "fallback": "30s",
    "bake": "5s",
    "holdback": 0,
}
VERSIONS = ("1.0", "1.1", "1.2")


class Attends(Protocol):
    """A keeper, or who stands for one."""

    def attend(self) -> None: ...


class OpenFence:
    """For a single replica without an election."""

    def holds(self, seconds: float) -> bool:
        del seconds
        return True


@dataclass
class RouteReader(FakeRouter):
    """What the proxies do: whatever the route says, ``lag_s`` later not considered."""

    api: KubeApi | None = None
    executioner: Executioner = field(default_factory=Executioner)
    frozen: bool = False

    def read(self) -> None:
        assert self.api is not None
        if not self.frozen and self.api.has("VirtualService", "bert"):
            with suppress(UnreadableRoute):  # somebody else's
                self.live = read_split(self.api.get("VirtualService", "bert"), "bert", VERSIONS)


class RoutedTraffic(FakeTraffic):
    """Traffic with what the gateway counts of it."""

    def _series(self, version: str, pod: str, at: float) -> list[Series]:
        total = self._of(version, pod, "requests")
        routed = Series(f"{version}/{pod}/routed", "gateway", version, "", Kind.ROUTED, total, total, at)
        return [*super()._series(version, pod, at), routed]


class Traffic(RoutedTraffic):
    """The traffic of a cluster; may be asked by several threads."""

    lock = threading.RLock()

    def advance(self) -> None:
        with self.lock:
            super().advance()
            assert isinstance(self.router, RouteReader)
            self.router.read()


@dataclass
class Gateway:
    """The proxies when they are asked; not ``open``: nobody can ask them."""

    proxies: RouteReader
    open: bool = True
    unreached: str = ""
    pinned: list[str] = field(default_factory=list)

    def ask(self, split: Split) -> Asked:
        if not self.open:
            return Asked(silent=("the gateway is behind a wall",))
        self.proxies.read()
        held = self.proxies.live
        if held == split:
            return Asked(hold=("the gateway",), callers=True)
        return Asked(others=(f"the gateway holds {held.text}",), callers=True)

    def reach(self, version: str) -> Reached:
        self.pinned.append(version)
        if not self.open:
            return Reached(None, "the gateway is behind a wall")
        return Reached(not self.unreached, self.unreached)


class TestedAdapters(Adapters):
    """What leads outside, with a gateway of the test's own."""

    __test__ = False
    gateway: Gateway

    def asker(self, namespace: str, service: str, router: ClusterRouter) -> Gateway:
        del namespace, service, router
        return self.gateway


class WallClock(FakeClock):
    """The real time."""

    @property
    def time(self) -> float:
        return time.time()

    @time.setter
    def time(self, value: float) -> None: ...


@dataclass
class SaidWebhooks:
    reply: Reply = Reply.YES
    asked: list[str] = field(default_factory=list)

    def ask(self, webhook: Webhook, point: str, question: Mapping[str, Any]) -> tuple[Reply, str]:
        self.asked.append(f"{webhook.name} {point} {question['weight']}")
        return self.reply, ""


@dataclass
class Guessers:
    """Versions that fill masks; ``wrong`` are those that never find the word."""

    wrong: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    trouble: str = ""

    def fill(self, version: str, texts: Sequence[str], top: int) -> list[tuple[str, ...] | None]:
        self.asked.append(version)
        return [("x" if version in self.wrong else "京",) * top for _ in texts]


class Cluster:
    """Everything around the operator. ``api`` must be serving."""

    def __init__(
        self,
        api: KubeApi,
        clock: FakeClock | None = None,
        **traffic: Any,  # noqa: ANN401 - for FakeTraffic
    ) -> None:
        self.api = api
        self.clock = clock or FakeClock(1_750_000_000.0)
        self.proxies = RouteReader(Executioner(), api=api)
        self.traffic = Traffic(self.clock, self.proxies, since=self.clock.time, **traffic)
        self.gateway = Gateway(self.proxies)
        self.webhooks = SaidWebhooks()
        self.candidates = Guessers()
        self.complaints: list[str] = []
        for version, replicas in (("1.0", 2), ("1.1", 0), ("1.2", 0)):
            api.create(deployment(f"bert-{version}", replicas=replicas))
        self.stuck: set[str] = set()
        self.settle()

    def tools(self, fence: Fence | None = None, token: str = "") -> Adapters:
        api = FencedApi(self.api.client(token), fence or OpenFence())
        made = TestedAdapters(
            api,
            lambda _service: self.traffic,
            self.webhooks,
            Notifier(api, self.complaints.append, wait=lambda _s: None),
            lambda _service, _namespace: self.candidates,
            clock=self.clock,
            timing=Timing(idle_s=5.0, drain_s=3.0, patience_s=60.0, farewell_s=60.0),
            monotonic=self.clock.now,
        )
        made.gateway = self.gateway
        return made

    def keeper(self, name: str = "bert", fence: Fence | None = None) -> RolloutKeeper:
        return RolloutKeeper(self.tools(fence), "default", name)

    def settle(self) -> None:
        """Let pods become ready."""
        for each in self.api.all("Deployment"):
            name = each["metadata"]["name"]
            self.api.settle(name, ready=0 if name in self.stuck else None)

    def run(
        self,
        keepers: Attends | Sequence[Attends],
        seconds: float = 200.0,
        until: Callable[[], bool] | None = None,
    ) -> None:
        """Let time pass, with a look of the operator each second."""
        end = self.clock.time + seconds
        while self.clock.time < end and not (until and until()):
            self.clock.time += 1.0
            self.traffic.advance()
            self.settle()
            for keeper in keepers if isinstance(keepers, Sequence) else [keepers]:
                keeper.attend()

    @property
    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.api.get("ModelRollout", "bert").get("status", {})
        return found

    @property
    def phase(self) -> str:
        return str(self.status.get("phase"))

    @property
    def split(self) -> Split:
        return read_split(self.api.get("VirtualService", "bert"), "bert", VERSIONS)

    @property
    def weight(self) -> int:
        return self.split.weights.canary

    @property
    def judge(self) -> Any:  # noqa: ANN401 - state and notes
        return decode("bert", self.status["judge"])

    def condition(self, kind: str) -> Mapping[str, Any]:
        known = self.status.get("conditions", ())
        return next((each for each in known if each["type"] == kind), {"status": "", "message": ""})

    def reasons(self) -> list[str]:
        return [event["reason"] for event in self.api.all("Event")]

    def replicas(self, version: str) -> int:
        return int(self.api.get("Deployment", f"bert-{version}")["spec"]["replicas"])

    def command(self, text: str) -> None:
        self.api.edit(
            "ModelRollout",
            "bert",
            {"metadata": {"annotations": {"bertmesh.dev/command": text}}},
            manager="ann",
        )

    def apply(self, **spec: Any) -> None:  # noqa: ANN401 - any JSON
        self.api.create(rollout(**{"policy": FAST, **spec}))
