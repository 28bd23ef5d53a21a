"""A small world without I/O: a clock, a router, pods, a store and traffic that follows the weights."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from canary.controller.loop import Controller
from canary.controller.ports import Review, Store, WorkloadStatus
from canary.controller.world import World, as_judged
from canary.errors import MetricsDown
from canary.local.store import STATE
from canary.measure.counters import ALL, CounterSnapshot, Kind, Series
from canary.rollout.commands import Command, Order, OrderResult, Start
from canary.rollout.history import Entry
from canary.rollout.state import State
from mesh.errors import RouterError
from mesh.model import Split

EDGE = "100"
PROMETHEUS = "http://prometheus"


class Killed(Exception):
    """The controller was killed at this point."""


@dataclass
class Executioner:
    """Counts the writes of a controller, and kills it before or after one of them."""

    before: int | None = None
    after: int | None = None
    writes: int = 0

    def write(self, effect: Callable[[], None]) -> None:
        self.writes += 1
        if self.writes == self.before:
            raise Killed
        effect()
        if self.writes == self.after:
            raise Killed


@dataclass
class FakeClock:
    time: float = 1_000_000.0

    def now(self) -> float:
        return self.time


@dataclass
class FakeRouter:
    executioner: Executioner
    live: Split = field(default_factory=lambda: Split("1.0"))
    past: list[Split] = field(default_factory=list)
    refuses: str = ""

    def split(self) -> Split:
        return self.live

    def apply(self, split: Split) -> None:
        if self.refuses:
            raise RouterError(self.refuses)
        self.executioner.write(lambda: self._set(split))

    def _set(self, split: Split) -> None:
        if split != self.live:
            self.past.append(split)
        self.live = split


@dataclass
class FakeWorkloads:
    executioner: Executioner
    pods: dict[str, int] = field(default_factory=lambda: {"1.0": 2, "1.1": 0, "1.2": 0})
    broken: dict[str, str] = field(default_factory=dict)

    def versions(self) -> Sequence[str]:
        return sorted(self.pods)

    def status(self, version: str) -> WorkloadStatus:
        wanted = self.pods.get(version, 0)
        why = self.broken.get(version, "")
        return WorkloadStatus(wanted, 0 if why else wanted, known=version in self.pods, message=why)

    def scale(self, version: str, replicas: int) -> None:
        self.executioner.write(lambda: self.pods.update({version: replicas}))


@dataclass
class FakeStore:
    """Keeps what a real one would: bytes, so that whatever is not stored is lost."""

    executioner: Executioner
    data: bytes | None = None
    inbox: list[Command] = field(default_factory=list)
    answers: list[OrderResult] = field(default_factory=list)

    def load(self) -> State | None:
        return None if self.data is None else STATE.validate_json(self.data)

    def save(self, state: State) -> None:
        self.executioner.write(lambda: self._set(STATE.dump_json(state)))

    def _set(self, data: bytes) -> None:
        self.data = data

    def commands(self) -> Sequence[Command]:
        return list(self.inbox)

    def answer(self, answer: OrderResult) -> None:
        self.executioner.write(lambda: self._answer(answer))

    def _answer(self, answer: OrderResult) -> None:
        self.answers.append(answer)
        self.inbox = [command for command in self.inbox if command.id != answer.id]

    def beat(self, now: float) -> None:
        pass


@dataclass
class FakeTraffic:
    """Prometheus over a service with steady traffic that is split as the router says.

    ``bad`` and ``slow`` are shares of a version's requests, ``differs`` of the copies that it gets;
    remainders are carried over, so that nothing is random. ``matched`` is False where no copy can be
    compared.
    """

    clock: FakeClock
    router: FakeRouter
    rps: float = 100.0
    bad: dict[str, float] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    differs: dict[str, float] = field(default_factory=dict)
    matched: bool = True
    down: str = ""
    frozen: bool = False
    since: float = 1_000_000.0
    counted: dict[tuple[str, str], float] = field(default_factory=dict)
    last: CounterSnapshot | None = None

    def advance(self) -> None:
        """Let the traffic of the time since the last call happen."""
        seconds, self.since = self.clock.time - self.since, self.clock.time
        for version, share in self.router.live.shares:
            requests = self.rps * seconds * share / 100
            self._count(version, "requests", requests)
            self._count(version, "bad", requests * self.bad.get(version, 0.0))
            self._count(version, "slow", requests * self.slow.get(version, 0.005))
        live = self.router.live
        if live.shadowed and self.matched:
            copies = self.rps * seconds * live.weights.stable * live.mirror / 10_000
            self._count(live.shadowed, "compared", copies)
            self._count(live.shadowed, "differed", copies * self.differs.get(live.shadowed, 0.0))

    def counts(self, versions: Sequence[str], at: float, *, edge: str | None = None) -> CounterSnapshot:
        del edge
        self.advance()
        if self.down:
            raise MetricsDown(PROMETHEUS, self.down)
        if self.frozen and self.last is not None:
            return replace(self.last, at=at)
        series = [s for version in versions for pod in ("a", "b") for s in self._series(version, pod, at)]
        self.last = CounterSnapshot(at, tuple(series))
        return self.last

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Sequence[CounterSnapshot]:
        if self.down:
            raise MetricsDown(PROMETHEUS, self.down)
        steps = int(seconds / step)
        return [
            CounterSnapshot(
                at - step * (steps - k), tuple(self._past(version, at - step * (steps - k), k * step))
            )
            for k in range(steps + 1)
        ]

    def _count(self, version: str, what: str, amount: float) -> None:
        self.counted[version, what] = self.counted.get((version, what), 0.0) + amount

    def _series(self, version: str, pod: str, at: float) -> list[Series]:
        total, bad, slow = (self._of(version, pod, what) for what in ("requests", "bad", "slow"))
        own = {
            Kind.COMPARED: self._of(version, pod, "compared"),
            Kind.DIFFERED: self._of(version, pod, "differed"),
        }
        copies = [
            Series(f"{version}/{pod}/{kind}", pod, version, f"{version}-{pod}", kind, value, 0, at)
            for kind, value in own.items()
        ]
        return [*_pod_series(version, pod, at, (total, bad, slow)), *copies]

    def _of(self, version: str, pod: str, what: str) -> int:
        """Return what one of the two pods has counted: the first one gets the odd request."""
        counted = int(self.counted.get((version, what), 0.0) + 1e-6)
        return (counted + 1) // 2 if pod == "a" else counted // 2

    def _past(self, version: str, at: float, seconds: float) -> list[Series]:
        total = int(self.rps * seconds)
        return _pod_series(version, "a", at, (total, int(total * self.bad.get(version, 0.0)), total // 100))


def _pod_series(version: str, pod: str, at: float, numbers: tuple[int, int, int]) -> list[Series]:
    total, bad, slow = numbers
    values: dict[tuple[Kind, str], int] = {
        (Kind.ANSWERED, ""): total - bad,
        (Kind.FAILED, ""): bad,
        (Kind.WITHIN, EDGE): total - slow,
        (Kind.WITHIN, ALL): total,
    }
    return [
        Series(
            f"{version}/{pod}/{kind}/{le}", "envoy", version, f"{version}-{pod}", kind, value, value, at, le
        )
        for (kind, le), value in values.items()
    ]


class Stage:
    """A whole fake world and the controller in it."""

    def __init__(
        self,
        store: Store | None = None,
        review: Review = as_judged,
        **traffic: Any,  # noqa: ANN401 - for FakeTraffic
    ) -> None:
        self.review = review
        self.passes = 1
        self.executioner = Executioner()
        self.clock = FakeClock()
        self.router = FakeRouter(self.executioner)
        self.workloads = FakeWorkloads(self.executioner)
        self.store = FakeStore(self.executioner)
        self._kept = store or self.store
        self.traffic = FakeTraffic(self.clock, self.router, **traffic)
        self.log: list[Entry] = []
        self.controller = self.new_controller()
        self.ids = 0

    def new_controller(self) -> Controller:
        """Return a controller that knows only what was stored."""
        return Controller(
            World(
                self.router,
                self.traffic,
                self.workloads,
                self._kept,
                self.clock,
                self.log.append,
                self.review,
            )
        )

    @property
    def state(self) -> State:
        return self.controller.state

    @property
    def phase(self) -> str:
        assert self.state.rollout is not None
        return self.state.rollout.phase.value

    @property
    def reason(self) -> str:
        assert self.state.latest is not None
        return self.state.latest.reason

    def start(self, canary: str = "1.1", **options: Any) -> OrderResult:  # noqa: ANN401 - handed on to Start
        fields = {"profile": "fast", **options}
        return self.send(Start(self._id(), "ann", self.clock.time, canary, **fields))

    def order(self, verb: Any) -> OrderResult:  # noqa: ANN401 - one of the verbs
        return self.send(Order(self._id(), "ann", self.clock.time, verb))

    def send(self, command: Command) -> OrderResult:
        self.store.inbox.append(command)
        self.tick()
        return self.store.answers[-1]

    def tick(self) -> None:
        """Make passes; a controller that is killed in one is replaced, and the pass is made again."""
        for _ in range(self.passes):
            try:
                self.controller.tick()
            except Killed:
                self.controller = self.new_controller()
                self.controller.tick()

    def run(
        self, seconds: float = 120.0, until: Callable[[], bool] = lambda: False, step: float = 1.0
    ) -> None:
        """Make a pass every ``step`` seconds until the rollout has ended."""
        end = self.clock.time + seconds
        while self.clock.time < end and not until() and not self._over():
            self.clock.time += step
            self.traffic.advance()
            self.tick()

    def _over(self) -> bool:
        rollout = self.state.rollout
        return rollout is not None and rollout.ended and rollout.settled

    def _id(self) -> str:
        self.ids += 1
        return f"command-{self.ids}"
