"""A whole local mesh with the shipped models, for all tests of this folder."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import pytest

from bertmesh.demo.capacity import measure_capacity
from bertmesh.demo.sentences import review_sentences
from bertmesh.demo.traffic import Traffic
from bertmesh.local.detached import end_mesh, start_detached
from bertmesh.local.home import Home
from bertmesh.local.ports import free_port
from tests.local.hand import Hand
from tests.support.process_group import when_gone

MOST = 50.0
"""Requests a second."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/local/" in str(item.path):
            item.add_marker(pytest.mark.slow)


@contextmanager
def mesh_in(home: Home, *words: str) -> Iterator[Hand]:
    """Run a local mesh until the block ends."""
    down = shlex.join([sys.executable, "-m", "bertmesh", "down", "--home", str(home.root)])
    with when_gone(down):
        try:
            started = start_detached(
                home, ["up", "--home", str(home.root), "--port", str(free_port()), *words]
            )
            yield Hand(home, started)
        finally:
            end_mesh(home)


@pytest.fixture(scope="session")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hand]:
    with mesh_in(Home.at(tmp_path_factory.mktemp("mesh"))) as hand:
        hand.carries = measure_capacity(hand.gateway, review_sentences(), seed=3).rate
        yield hand


@pytest.fixture
def traffic(mesh: Hand) -> Iterator[Traffic]:
    """Steady traffic while the test runs, as much as leaves room on this machine."""
    with flowing(mesh) as traffic:
        yield traffic


@contextmanager
def flowing(mesh: Hand, *, pin: str | None = None) -> Iterator[Traffic]:
    headers = {"x-model-version": pin} if pin else None
    rate = min(MOST, mesh.carries)
    traffic = Traffic(mesh.gateway, review_sentences(), rate=rate, random=Random(3), headers=headers)
    traffic.start()
    try:
        yield traffic
    finally:
        traffic.stop()
