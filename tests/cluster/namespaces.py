"""A network namespace and a mount namespace for this process and all that it starts from now on."""

import ctypes
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from tests.cluster.control_plane import Network

NEW_MOUNTS: Final = 0x00020000  # CLONE_NEWNS of <sched.h>; Python has unshare from 3.12 on
NEW_NETWORK: Final = 0x40000000  # CLONE_NEWNET
# Named namespaces of `ip netns` are files in here, which the machine outside would see.
NAMED: Final = Path("/run/netns")
PROXIES: Final = ("http_proxy", "https_proxy", "all_proxy")


class NoNamespace(Exception):
    """This process may not make namespaces."""

    def __init__(self, why: str) -> None:
        super().__init__(f"no network namespace can be made ({why}): run the tests of tests/cluster as root")


@contextmanager
def own_network(network: Network) -> Iterator[None]:
    """Put the calling thread, and the threads and processes that it starts, into namespaces of its own.

    Inside there are a loopback interface and the bridge of ``network``; outside nothing changes, whatever is
    mounted or named. When the block ends the thread is back; the namespaces last until their last process.

    Raises:
        NoNamespace: the process has no right to.
    """
    folder, proxies = Path.cwd(), _without_proxies()
    with ExitStack() as complete:
        kinds = ("net", "mnt")
        outside = [complete.enter_context(Path("/proc/thread-self/ns", kind).open()) for kind in kinds]
        _call("unshare", NEW_MOUNTS | NEW_NETWORK)
        try:
            _prepare(network)
            yield
        finally:
            for namespace in outside:
                _call("setns", namespace.fileno(), 0)
            os.chdir(folder)  # the other mount namespace begins at its root
            os.environ.update(proxies)


def _prepare(network: Network) -> None:
    NAMED.mkdir(parents=True, exist_ok=True)
    _run("mount", "--make-rprivate", "/")
    _run("mount", "-t", "tmpfs", "tmpfs", str(NAMED))
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", network.bridge, "type", "bridge")
    _run("ip", "address", "add", f"{network.node}/{network.prefix_length}", "dev", network.bridge)
    _run("ip", "link", "set", network.bridge, "up")
    _run("ip", "address", "add", f"{network.api}/32", "dev", "lo")


@contextmanager
def attached(network: Network, name: str, address: str) -> Iterator[list[str]]:
    """Make a network namespace on the bridge, with an address; yield the words that run a command in it."""
    outer, inner = f"{name[:12]}-o", f"{name[:12]}-i"
    inside = ["ip", "netns", "exec", name]
    _run("ip", "netns", "add", name)
    try:
        _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
        _run("ip", "link", "set", outer, "master", network.bridge, "up")
        _run(*inside, "ip", "link", "set", "lo", "up")
        _run(*inside, "ip", "address", "add", f"{address}/{network.prefix_length}", "dev", inner)
        _run(*inside, "ip", "link", "set", inner, "up")
        _run(*inside, "ip", "route", "add", "default", "via", network.node)
        yield inside
    finally:
        _run("ip", "netns", "delete", name)


def _without_proxies() -> dict[str, str]:
    """Take the ways to proxies out of the environment, as none leads out of the namespace; return them."""
    names = [name for name in os.environ if name.lower() in PROXIES]
    return {name: os.environ.pop(name) for name in names}


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"`{' '.join(words)}` failed: {done.stderr.strip()}"


def _call(name: str, *arguments: int) -> None:
    """Call a function of the C library.

    Raises:
        NoNamespace: it failed.
    """
    library: Final = ctypes.CDLL(None, use_errno=True)
    if getattr(library, name)(*arguments) != 0:
        raise NoNamespace(os.strerror(ctypes.get_errno()))
