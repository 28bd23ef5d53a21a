"""`kubectl bertmesh ...`: the rollout commands as a kubectl plugin, about a cluster in every case.

kubectl runs the program `kubectl-bertmesh` that it finds on the PATH, with all words after the name of the
plugin.
"""

import copy

import click

from bertmesh.commands.edge import OneSentence, run_quietly
from bertmesh.commands.rollout.follow import EXIT_CODES
from bertmesh.commands.rollout.group import ON_BOTH
from bertmesh.commands.target import PLUGIN

ABOUT = f"""Move traffic to a canary by evidence, and see why it moved.

NAME is a ModelRollout; where a namespace has only one, it may be left out. Cluster, namespace and credentials
are those of kubectl.

{EXIT_CODES}
"""
LOCAL_ONLY = frozenset({"home", "on_cluster", "replicas", "golden"})


@click.group(
    "kubectl bertmesh", cls=OneSentence, help=ABOUT, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="bertmesh")
@click.pass_context
def plugin(context: click.Context) -> None:
    """Mark all that follows as being about a cluster."""
    context.meta[PLUGIN] = True


def _for_clusters(command: click.Command) -> click.Command:
    """Return a command without the options that are for the local mesh."""
    made = copy.copy(command)
    made.params = [each for each in command.params if each.name not in LOCAL_ONLY]
    return made


for each in ON_BOTH:
    plugin.add_command(_for_clusters(each))


def main() -> None:
    """Entry point of the `kubectl-bertmesh` command."""
    run_quietly(plugin)
