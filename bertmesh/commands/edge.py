"""The edge of every program: our errors end as one sentence, and a reader that goes away is no error."""

import sys
from collections.abc import Callable
from typing import Any

import click

from bertmesh.errors import BertmeshError
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


def run_quietly(program: Callable[[], Any]) -> None:
    """Run a program whose reader may go away."""
    try:
        program()
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
