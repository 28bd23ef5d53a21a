"""`bertmesh status`, `down`, `demo` and the controller's own entry point."""

import signal
import sys

import click
from rich.console import Console

from bertmesh.commands.options import home_option, stop_on_signals
from bertmesh.commands.output import emit, form_option
from bertmesh.commands.status import mesh_status, status_text
from bertmesh.local.detached import end_mesh
from bertmesh.local.home import Home

TERMINATED = 128 + signal.SIGTERM


@click.command()
@home_option
@form_option()
def status(home: Home, output: str) -> None:
    """Show what runs: processes, versions, pods and the split."""
    document = mesh_status(home)
    emit(document, output, lambda: status_text(document))


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
@click.option(
    "--rate",
    type=click.FloatRange(1),
    help="Requests a second [default: half of what is carried, at most 60].",
)
@click.option("--seed", default=7, show_default=True, help="Seed of the traffic.")
@click.option("--keep/--no-keep", default=None, help="Leave the mesh up afterwards [default: on a terminal].")
def demo(home: Home, rate: float | None, seed: int, *, keep: bool | None) -> None:
    """Run the main job: promote a canary, take two bad ones back, survive a kill (about 3 minutes)."""
    from bertmesh.demo.run import run_demo  # noqa: PLC0415 - scipy's import is paid by the demo alone

    # So that a SIGTERM, too, ends the mesh that the demo has started.
    signal.signal(signal.SIGTERM, lambda _number, _frame: sys.exit(TERMINATED))
    stay = sys.stdout.isatty() if keep is None else keep
    sys.exit(0 if run_demo(home, rate=rate, seed=seed, stay=stay, console=Console(highlight=False)) else 1)


@click.command("controller", hidden=True)
@home_option
def run_controller(home: Home) -> None:
    """Run the canary controller of a home (the supervisor starts it)."""
    from bertmesh.local.controller import build_controller  # noqa: PLC0415 - only this process needs it

    build_controller(home).run(stop_on_signals())
