"""The command line. It only parses and prints; the work is done elsewhere."""

import sys
from collections.abc import Callable
from typing import Any

import click

from bertmesh.commands_console import serve_console
from bertmesh.commands_mesh import demo, down, run_controller, status
from bertmesh.commands_models import models
from bertmesh.commands_up import up
from bertmesh.errors import BertmeshError
from bertmesh.operator_command import operator
from bertmesh.rollout import rollout
from bertmesh.routes import routes
from canary.errors import CanaryError
from mesh.errors import MeshError
from modelstore.errors import ModelStoreError

KNOWN_ERRORS = (BertmeshError, CanaryError, MeshError, ModelStoreError)


class OneSentence(click.Group):
    """A group whose commands end with one sentence, not a traceback, on every error of ours."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the command; translate our errors into click's, which print `Error: ...` and exit with 1."""
        try:
            return super().invoke(ctx)
        except KNOWN_ERRORS as error:
            raise click.ClickException(str(error)) from error


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
    operator,
    run_controller,
)
for command in COMMANDS:
    cli.add_command(command)


def main() -> None:
    """Entry point of the `bertmesh` command."""
    run: Callable[[], Any] = cli
    try:
        run()
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone: that is no error
        sys.exit(0)
