"""The command line. It only parses and prints; the work is done elsewhere."""

import click

from bertmesh.commands.console import serve_console
from bertmesh.commands.doctor import doctor
from bertmesh.commands.edge import OneSentence, run_quietly
from bertmesh.commands.mesh import demo, down, run_controller, status
from bertmesh.commands.models import models
from bertmesh.commands.operator import operator
from bertmesh.commands.rollout.group import rollout
from bertmesh.commands.routes import routes
from bertmesh.commands.up import up


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="bertmesh")
def cli() -> None:
    """Serve Chinese BERT models and move traffic to a canary only as fast as the evidence allows."""


COMMANDS: tuple[click.Command, ...] = (
    up,
    status,
    down,
    demo,
    rollout,
    serve_console,
    routes,
    models,
    doctor,
    operator,
    run_controller,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point of the `bertmesh` command."""
    run_quietly(cli)
