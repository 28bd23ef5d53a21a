"""`bertmesh rollout`: start a canary, follow it, and have a word in it."""

import click

from bertmesh.commands.rollout.backtest import backtest
from bertmesh.commands.rollout.disagreements import disagreements
from bertmesh.commands.rollout.explain import explain
from bertmesh.commands.rollout.follow import EXIT_CODES
from bertmesh.commands.rollout.orders import abort, pause, promote, resume, start, undo
from bertmesh.commands.rollout.views import history, status, watch

ABOUT = f"""Move traffic to a canary by evidence, and see why it moved.

The local mesh is meant, or with --context, --namespace, --kubeconfig or --cluster the ModelRollout NAME of a
cluster (where there is only one, without a name).

{EXIT_CODES}
"""
ON_BOTH: tuple[click.Command, ...] = (
    start, status, watch, pause, resume, promote, abort, undo, history, explain,
)  # fmt: skip

rollout = click.Group("rollout", help=ABOUT)
for command in (*ON_BOTH, backtest, disagreements):
    rollout.add_command(command)
