"""`bertmesh console`: serves the rollout console, on the loopback address unless told otherwise."""

import os
import sys
from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

import click

from bertmesh.commands.options import home_option
from bertmesh.commands.target import cluster_part
from bertmesh.errors import PortTaken
from bertmesh.local.home import Home
from bertmesh.local.ports import LOOPBACK, is_free
from canary.console.settings import Settings

PORT = 8090
THREADS = 16


@click.command("console")
@home_option
@click.option("--bind", default=LOOPBACK, show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=PORT, show_default=True, help="The port.")
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    envvar="BERTMESH_CONSOLE_HOSTS",
    metavar="NAME",
    help="A name under which a gateway offers the console [default: loopback names only].",
)
@click.option("--cluster", "on_cluster", is_flag=True,
              help="Show the ModelRollouts of a cluster; the next four options mean one, too.")  # fmt: skip
@click.option("-n", "--namespace", "namespaces", multiple=True, envvar="BERTMESH_CONSOLE_NAMESPACES",
              help="Of the cluster, show this namespace; may be given several times.")  # fmt: skip
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="Of the cluster, show all.")
@click.option("--context", default="", help="Of the kubeconfig [default: the current one, or this pod's].")
@click.option("--kubeconfig", default="", help="Where it is [default: as kubectl finds it].")
@click.option("--lease-namespace", envvar="BERTMESH_CONSOLE_LEASE_NAMESPACE", default="",
              help="Where the operator's Lease is, so that its silence can be shown.")  # fmt: skip
def serve_console(home: Home, bind: str, port: int, hosts: tuple[str, ...], **cluster: Any) -> None:  # noqa: ANN401 - click's
    """Serve a page that shows every rollout and can pause, promote, abort and undo it.

    `bertmesh up` serves one already; this one also works when no mesh runs. On a cluster it takes its figures
    from BERTMESH_PROMETHEUS_URL and the worst disagreements from BERTMESH_REDIS_URL, where these are set;
    BERTMESH_CONSOLE_TRACE_URL links their traces, BERTMESH_CONSOLE_IDENTITY_HEADER names the gateway's header
    with the user in it.
    """
    names = _names(hosts)
    _refuse_strangers(bind, names)
    if not is_free(port):
        raise PortTaken(port, "another process")
    environment = {**os.environ, "BERTMESH_HOME": str(home.root), **_of_cluster(cluster)}
    if names:
        environment["BERTMESH_CONSOLE_HOSTS"] = ",".join(names)
    Settings.from_environment(environment)  # so that a bad one is said here, in one sentence
    click.echo(f"rollout console: http://{bind}:{port}/ (Ctrl-C ends it)")
    sys.stdout.flush()
    factory = "create_for_cluster" if _is_meant(cluster) else "create"
    os.execve(sys.executable, server_words(bind, port, factory), environment)  # noqa: S606 - there is no shell


def _is_meant(said: Mapping[str, Any]) -> bool:
    """Return whether a cluster is to be shown, in which case one of these options is given."""
    return any(said[name] for name in ("on_cluster", "namespaces", "everywhere", "context", "kubeconfig"))


def _of_cluster(said: Mapping[str, Any]) -> dict[str, str]:
    """Return what the server must know of the cluster; that there is one is seen here, in one sentence."""
    if not _is_meant(said):
        return {}
    spaces = _names(said["namespaces"])
    if bool(spaces) == said["everywhere"]:
        message = "say what of the cluster is shown: --namespace NS (several times if need be), or -A"
        raise click.UsageError(message)
    with cluster_part():
        from mesh.cluster.kubeconfig import find_place  # noqa: PLC0415 - loads the package kubernetes

    find_place(said["context"] or None, None, said["kubeconfig"] or None)
    return {
        "BERTMESH_CONSOLE_NAMESPACES": ",".join(spaces),
        "BERTMESH_CONSOLE_CONTEXT": said["context"],
        "BERTMESH_CONSOLE_KUBECONFIG": said["kubeconfig"],
        "BERTMESH_CONSOLE_LEASE_NAMESPACE": said["lease_namespace"],
    }


def _names(given: Sequence[str]) -> list[str]:
    """Return the names in words that may hold several, with commas between them."""
    return [name for word in given for name in word.split(",") if name]


def server_words(bind: str, port: int, factory: str) -> list[str]:
    """Return the command line of the console's server; it finds the rest in the environment."""
    options = {
        "--bind": f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}",
        "--workers": "1",
        "--worker-class": "gthread",
        "--threads": str(THREADS),  # a command holds one for up to ten seconds
        "--timeout": "120",  # also for its start, which takes long beside pods that load
        "--graceful-timeout": "2",
        "--log-level": "warning",
    }
    flat = [word for pair in options.items() for word in pair]
    app = f"bertmesh.local.console:{factory}()"
    return [sys.executable, "-m", "gunicorn", *flat, "--no-control-socket", app]


def _refuse_strangers(bind: str, hosts: Sequence[str]) -> None:
    """Refuse to listen to others unless it is said by which name they come, for anybody may press buttons."""
    try:
        at_home = ip_address(bind).is_loopback
    except ValueError:
        message = f"--bind takes an IP address, got {bind!r}"
        raise click.UsageError(message) from None
    if not at_home and not hosts:
        message = (
            f"{bind} can be reached by others, and whoever reaches the console can abort rollouts: "
            "put a gateway that signs people in before it, and name it with --allow-host"
        )
        raise click.UsageError(message)
