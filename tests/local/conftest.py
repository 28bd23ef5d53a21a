"""A whole local mesh with the shipped models, for all tests of this folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from bertmesh.demo.sentences import review_sentences
from bertmesh.demo.traffic import Traffic
from bertmesh.local.detached import end_mesh, start_detached
from bertmesh.local.home import Home
from tests.local.hand import Hand


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/local/" in str(item.path):
            item.add_marker(pytest.mark.slow)


@contextmanager
def mesh_in(home: Home, *words: str) -> Iterator[Hand]:
    """Run a local mesh until the block ends."""
    try:
        yield Hand(home, start_detached(home, ["up", "--home", str(home.root), *words]))
    finally:
        end_mesh(home)


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    with mesh_in(Home.at(tmp_path_factory.mktemp("mesh"))) as hand:
        yield hand


@pytest.fixture
def traffic(mesh: Hand) -> Iterator[Traffic]:
    """Steady traffic while the test runs."""
    with flowing(mesh) as traffic:
        yield traffic


@contextmanager
def flowing(mesh: Hand, *, rate: float = 50.0, pin: str | None = None) -> Iterator[Traffic]:
    headers = {"x-model-version": pin} if pin else None
    traffic = Traffic(mesh.gateway, review_sentences(), rate=rate, random=Random(3), headers=headers)
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.stop()
