"""What several commands share: options, and how they are told to stop."""

import signal
from pathlib import Path
from threading import Event

import click

from bertmesh.local.home import Home

home_option = click.option(
    "--home",
    envvar="BERTMESH_HOME",
    default=".bertmesh",
    show_default=True,
    help="The state folder of the local mesh.",
    type=click.Path(file_okay=False, path_type=Path),
    callback=lambda _context, _parameter, value: Home.at(value),
)


def stop_on_signals() -> Event:
    """Return an event that SIGINT and SIGTERM set."""
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    return stop
