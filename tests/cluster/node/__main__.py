"""The node's process, the first one of the namespaces that `Node` made for it.

    python -m tests.cluster.node SETTINGS

It lives for as long as its input is open: the kernel closes that when the test run ends, however it does.
"""

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from mesh.cluster.api import connect
from tests.cluster.control_plane import Network
from tests.cluster.node.api import Api
from tests.cluster.node.images import Image
from tests.cluster.node.kubelet import Kubelet
from tests.cluster.node.machine import allocatable
from tests.cluster.node.network import pod_addresses
from tests.cluster.node.sandbox import Host

CALLS: Final = 32
LOG: Final = logging.getLogger("node")


def main() -> None:
    """Run the node until the input ends."""
    settings: dict[str, Any] = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    # /proc is the test run's still, so this is the number that it knows us by.
    Path(settings["pid"]).write_text(str(Path("/proc/self").readlink()), encoding="ascii")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for words in (
        ["mount", "-t", "proc", "proc", "/proc"],
        ["mount", "-t", "tmpfs", "-o", "mode=755", "node", "/run"],
    ):
        subprocess.run(words, check=True)
    Path(settings["state"]).mkdir()
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        asyncio.run(serve(settings))
    except BaseException:
        LOG.exception("the node ends")
        os._exit(1)


async def serve(settings: dict[str, Any]) -> None:
    """Be a node."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(CALLS))
    network = Network(**settings["network"])
    host = Host(
        name=settings["name"],
        api=Api(connect(kubeconfig=settings["kubeconfig"])),
        network=network,
        images={name: Image.read(each) for name, each in settings["images"].items()},
        folder=Path(settings["state"]),
        logs=Path(settings["logs"]),
        allocatable=allocatable(),
        addresses=pod_addresses(network),
    )
    await Kubelet(host).run(Path(settings["ready"]))


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    # Process 1 goes, and the kernel kills whatever else is in its namespace.
    os._exit(0)


if __name__ == "__main__":
    main()
