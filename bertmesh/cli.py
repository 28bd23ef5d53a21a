"""The command line. It only parses and prints; the work is done elsewhere."""

import click

from bertmesh.commands_console import serve_console
from bertmesh.commands_doctor import doctor
from bertmesh.commands_mesh import demo, down, run_controller, status
from bertmesh.commands_models import models
from bertmesh.commands_up import up
from bertmesh.edge import OneSentence, run_quietly
from bertmesh.operator_command import operator
from bertmesh.rollout import rollout
from bertmesh.routes import routes


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
