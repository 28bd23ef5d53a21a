"""A network of the test's own: nothing of it is seen outside."""

import socket
import subprocess
from pathlib import Path

import pytest

from tests.cluster.control_plane import Network
from tests.cluster.namespaces import NAMED, attached, own_network

NETWORK = Network()
pytestmark = pytest.mark.cluster  # they need root


def addresses() -> str:
    words = ["ip", "-brief", "address"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_inside_are_the_bridge_and_loopback_alone_and_outside_nothing_changes() -> None:
    before, folder = addresses(), Path.cwd()
    with own_network(NETWORK):
        names = {line.split()[0] for line in addresses().splitlines()}
        assert names == {"lo", NETWORK.bridge}
        assert NETWORK.api in addresses()
    assert addresses() == before
    assert Path.cwd() == folder


def test_two_of_one_bridge_reach_each_other_and_are_gone_with_the_network() -> None:
    with own_network(NETWORK), attached(NETWORK, "one", "10.244.0.9") as inside:
        with socket.create_server((NETWORK.node, 0)) as server:
            there = (NETWORK.node, str(server.getsockname()[1]))
            words = [
                "python3",
                "-c",
                "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])))",
            ]
            done = subprocess.run([*inside, *words, *there], check=False, timeout=60)
            _, caller = server.accept()
        assert done.returncode == 0
        assert caller[0] == "10.244.0.9"
        assert (NAMED / "one").exists()
    assert not (NAMED / "one").exists()
