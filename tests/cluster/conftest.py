"""What the tests of this folder share: one control plane a run, a Kubernetes namespace a test.

A test that uses a fixture of `PROGRAMS` has the mark `cluster`: it runs with `make test-cluster`, or with
`pytest -m cluster tests/cluster/...` as root. All others are ordinary tests of `make test`.
"""

import os
from collections.abc import Collection, Generator, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest

from mesh.cluster.router import ClusterRouter
from tests.cluster.control_plane import ControlPlane, Network
from tests.cluster.gateway import Gateway, gateway, prometheus
from tests.cluster.istio import istio
from tests.cluster.kubernetes import kubernetes
from tests.cluster.namespaces import NoNamespace, own_network
from tests.cluster.node import Node
from tests.cluster.programs import ProgramMissing, Shelf
from tests.cluster.stand_ins import StandIns
from tests.cluster.town import Town, town
from tests.cluster.two_versions import host_of, router_of, with_pods
from tests.support.helm import HelmMissing, helm, kubectl
from tests.support.processes import Prometheus, prometheus_binary

PROGRAMS: Final = {
    "control_plane": ("kube-apiserver", "kube-controller-manager", "etcd"),
    "mesh": ("pilot-discovery",),
    "ingress": ("pilot-agent",),
    "sidecars": ("pilot-agent",),
    "istioctl": ("istioctl",),
}
"""What each fixture runs. A program is looked for, and built, only where a test of the run uses it."""
TAIL_BYTES: Final = 3000
FOLDER: Final = pytest.StashKey[Path]()
READ: Final = pytest.StashKey[dict[Path, int]]()
"""How much of each log has been looked at."""


def programs_of(fixtures: Collection[str]) -> list[str]:
    """Return what these fixtures run."""
    return [name for fixture, needed in PROGRAMS.items() if fixture in fixtures for name in needed]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs the programs: it is slow, too."""
    for item in items:
        if item.get_closest_marker("cluster") or _uses(item) & PROGRAMS.keys():
            item.add_marker("cluster")
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what all processes have logged since the last report, where a test has failed."""
    report = yield
    folder = item.config.stash.get(FOLDER, None)
    if folder is not None and "cluster" in item.keywords:
        said = _new_lines(folder / "logs", item.config.stash.setdefault(READ, {}))
        if report.failed:
            report.sections += [(f"end of {log}", text) for log, text in said.items()]
    return report


@pytest.fixture(scope="session")
def programs(request: pytest.FixtureRequest) -> Mapping[str, Path]:
    """The programs that this run needs; what is missing is built, which is told on the terminal."""
    used = set().union(*(_uses(item) for item in request.session.items))
    names = programs_of(used & PROGRAMS.keys())
    terminal = request.config.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with terminal.global_and_fixture_disabled():
            print(line, flush=True)  # noqa: T201 - a build takes minutes

    try:
        # Once in a namespace of its own, the run can fetch nothing.
        for fetched in (helm, kubectl, prometheus_binary):
            fetched()
        return Shelf.of_user(os.environ, say).get(names)
    except (HelmMissing, ProgramMissing) as missing:
        pytest.exit(str(missing), returncode=1)


@pytest.fixture(scope="session")
def control_plane(
    request: pytest.FixtureRequest, programs: Mapping[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ControlPlane]:
    """An API server with a controller manager, in a network namespace of its own; no nodes, no Istio."""
    folder = tmp_path_factory.mktemp("control-plane")
    request.config.stash[FOLDER] = folder
    network = Network()
    try:
        with own_network(network), kubernetes(folder, programs, network) as plane:
            yield plane
    except NoNamespace as refused:
        pytest.exit(str(refused), returncode=1)


@pytest.fixture(scope="session")
def mesh(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The same control plane, with istiod and its webhooks."""
    with istio(control_plane) as plane:
        yield plane


@pytest.fixture(scope="module")
def node(control_plane: ControlPlane) -> Iterator[Node]:
    """A node that runs all pods; other modules may stand in for pods themselves."""
    yield from _node(control_plane)


@pytest.fixture(scope="module")
def sidecars(mesh: ControlPlane) -> Iterator[Node]:
    """A node whose pods get Istio's sidecars where their labels ask for them."""
    yield from _node(mesh)


@pytest.fixture(scope="session")
def ingress(mesh: ControlPlane) -> Iterator[Gateway]:
    """A gateway that istiod configures."""
    with gateway(mesh) as here:
        yield here


@pytest.fixture(scope="module")
def here(mesh: ControlPlane, sidecars: Node, ingress: Gateway) -> Iterator[Town]:
    """A release behind the gateway, with sidecars and Prometheus."""
    assert sidecars.alive
    with town(mesh, ingress) as made:
        yield made


@pytest.fixture(scope="session")
def istioctl(programs: Mapping[str, Path]) -> Path:
    """Istio's own command, for its analyzers."""
    return programs["istioctl"]


@pytest.fixture(scope="session")
def counters(ingress: Gateway) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the gateway."""
    with prometheus(ingress) as server:
        yield server


@pytest.fixture
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    """A Kubernetes namespace of the test's own."""
    with control_plane.namespace() as name:
        yield name


@pytest.fixture
def host(namespace: str) -> str:
    """The name by which a gateway lets requests in."""
    return host_of(namespace)


@pytest.fixture
def router(mesh: ControlPlane, namespace: str) -> ClusterRouter:
    """Writes the route of the Service `bert`."""
    return router_of(mesh, namespace)


@pytest.fixture
def pods(mesh: ControlPlane, namespace: str) -> Iterator[StandIns]:
    """Pods of its two versions."""
    with with_pods(mesh, namespace) as made:
        yield made


def _node(plane: ControlPlane) -> Iterator[Node]:
    with Node(plane) as here:
        yield here
        assert here.alive


def _uses(item: pytest.Item) -> set[str]:
    return set(getattr(item, "fixturenames", ()))


def _new_lines(logs: Path, read: dict[Path, int]) -> dict[Path, str]:
    """Return how each log ends that has grown beyond the size in ``read``, which is brought up to date."""
    found = {}
    for log in sorted(logs.glob("*.log")):
        begin, end = read.get(log, 0), log.stat().st_size
        if end > begin:
            with log.open("rb") as file:
                file.seek(max(begin, end - TAIL_BYTES))
                found[log] = file.read().decode(errors="replace")
            read[log] = end
    return found
