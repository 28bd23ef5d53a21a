"""Options that several commands share."""

from pathlib import Path

import click

from bertmesh.home import Home

home_option = click.option(
    "--home",
    envvar="BERTMESH_HOME",
    default=".bertmesh",
    show_default=True,
    help="The state folder of the local mesh.",
    type=click.Path(file_okay=False, path_type=Path),
    callback=lambda _context, _parameter, value: Home.at(value),
)
output_option = click.option(
    "-o", "--output", type=click.Choice(["text", "json"]), default="text", show_default=True, help="The form."
)
