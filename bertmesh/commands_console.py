"""`bertmesh console`: serves the rollout console, on the loopback address unless told otherwise."""

import os
import sys
from ipaddress import ip_address

import click

from bertmesh.errors import PortTaken
from bertmesh.home import Home
from bertmesh.options import home_option
from bertmesh.ports import LOOPBACK, is_free
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
    metavar="NAME",
    help="A name under which a gateway offers the console [default: loopback names only].",
)
def serve_console(home: Home, bind: str, port: int, hosts: tuple[str, ...]) -> None:
    """Serve a page that shows every rollout and can pause, promote and abort it.

    `bertmesh up` serves one already; this one also works when no mesh runs.
    """
    _refuse_strangers(bind, hosts)
    if not is_free(port):
        raise PortTaken(port, "another process")
    environment = {**os.environ, "BERTMESH_HOME": str(home.root)}
    if hosts:
        environment["BERTMESH_CONSOLE_HOSTS"] = ",".join(hosts)
    Settings.from_environment(environment)  # so that a bad one is said here, in one sentence
    click.echo(f"rollout console: http://{bind}:{port}/ (Ctrl-C ends it)")
    sys.stdout.flush()
    os.execve(sys.executable, server_words(bind, port), environment)  # noqa: S606 - there is no shell


def server_words(bind: str, port: int) -> list[str]:
    """Return the command line of the console's server; it finds its home in the environment."""
    options = {
        "--bind": f"{bind}:{port}",
        "--workers": "1",
        "--worker-class": "gthread",
        "--threads": str(THREADS),  # a command holds one for up to ten seconds
        "--graceful-timeout": "2",
        "--log-level": "warning",
    }
    flat = [word for pair in options.items() for word in pair]
    return [sys.executable, "-m", "gunicorn", *flat, "--no-control-socket", "bertmesh.console:create()"]


def _refuse_strangers(bind: str, hosts: tuple[str, ...]) -> None:
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
