"""`bertmesh up`, `status`, `down`, `demo` and the controller's own entry point."""

import json
import signal
import sys
from collections.abc import Callable
from threading import Event

import click
from rich.console import Console

from bertmesh.detached import end_mesh, start_detached
from bertmesh.home import Home, MeshInfo
from bertmesh.local import LocalMesh, Options
from bertmesh.options import home_option, output_option
from bertmesh.pods import models_dir
from bertmesh.status import mesh_status, print_status
from bertmesh.versions import shipped_versions
from mesh.model import Policy


def stop_on_signals() -> Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop


@click.command()
@home_option
@click.option("--stable", default="1.0", show_default=True, help="What serves on the first start.")
@click.option("--port", type=click.IntRange(1, 65535), help="The gateway's [default: 8080 or a free one].")
@click.option("--rate-limit", type=click.IntRange(1), help="Requests a second [default: any].")
@click.option("--collector", help="Base URL of an OTLP/HTTP collector [default: none].")
@click.option("-d", "--detach", is_flag=True, help="Return once the mesh is ready; `bertmesh down` ends it.")
def up(
    home: Home, stable: str, port: int | None, rate_limit: int | None, collector: str | None, *, detach: bool
) -> None:
    """Start the local mesh: Redis, Prometheus, Envoy, model pods and the canary controller."""
    if detach:
        info = start_detached(home, [word for word in sys.argv[1:] if word not in {"-d", "--detach"}])
        click.echo(f"ready: {info.gateway} (Prometheus {info.prometheus}, Envoy {info.envoy_admin})")
        return
    policy = Policy(rate_limit_per_s=rate_limit)
    options = Options(stable, shipped_versions(models_dir()), port, policy, collector)
    click.echo(f"starting the local mesh in {home.root} ...")
    LocalMesh(home, options).run(stop_on_signals(), on_ready=_say_ready(home))
    click.echo("the local mesh has ended, nothing is left running")


def _say_ready(home: Home) -> Callable[[MeshInfo], None]:
    def say(info: MeshInfo) -> None:
        click.echo(
            f"ready\n  gateway     {info.gateway}\n  Prometheus  {info.prometheus}\n"
            f"  Envoy       {info.envoy_admin}\n  logs        {home.logs}\nCtrl-C ends it."
        )

    return say


@click.command()
@home_option
@output_option
def status(home: Home, output: str) -> None:
    """Show what runs: processes, versions, pods and the split."""
    document = mesh_status(home)
    if output == "json":
        click.echo(json.dumps(document, ensure_ascii=False, indent=1))
    else:
        print_status(document, Console())


@click.command()
@home_option
@click.option("-q", "--quiet", is_flag=True, help="Say nothing if there is nothing to end.")
def down(home: Home, *, quiet: bool) -> None:
    """End the local mesh and whatever a killed one left behind."""
    ended = end_mesh(home)
    if ended or not quiet:
        click.echo(ended or f"nothing runs in {home.root}")


@click.command()
@home_option
@click.option("--rate", default=60.0, show_default=True, help="Requests a second.")
@click.option("--seed", default=7, show_default=True, help="Seed of the traffic.")
@click.option("--keep/--no-keep", default=None, help="Leave the mesh up afterwards [default: on a terminal].")
def demo(home: Home, rate: float, seed: int, *, keep: bool | None) -> None:
    """Run the main job: promote a canary, take two bad ones back, survive a kill (about 3 minutes)."""
    from bertmesh.demo import run_demo  # noqa: PLC0415 - scipy's import is paid by the demo alone

    stay = sys.stdout.isatty() if keep is None else keep
    sys.exit(0 if run_demo(home, rate=rate, seed=seed, stay=stay, console=Console()) else 1)


@click.command("controller", hidden=True)
@home_option
def run_controller(home: Home) -> None:
    """Run the canary controller of a home (the supervisor starts it)."""
    from bertmesh.controller import build_controller  # noqa: PLC0415 - only this process needs it

    build_controller(home).run(stop_on_signals())
