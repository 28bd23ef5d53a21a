"""`bertmesh rollout`: start a canary, follow it, and have a word in it."""

import click

from bertmesh.backtest import backtest
from bertmesh.disagreements import disagreements
from bertmesh.explain import explain
from bertmesh.following import EXIT_CODES
from bertmesh.rollout_orders import abort, pause, promote, resume, start, undo
from bertmesh.rollout_views import history, status, watch

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
