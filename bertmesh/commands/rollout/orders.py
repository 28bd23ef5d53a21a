"""What people tell a rollout: start, pause, resume, promote, abort, undo."""

import sys
from collections.abc import Mapping
from typing import Any, Literal

import click

from bertmesh.commands.output import answered, form_option
from bertmesh.commands.rollout.follow import FAILED, PROMOTED, ROLLED_BACK, STILL_GOING, follow
from bertmesh.commands.target import Target, name_argument, target_options
from bertmesh.local import golden as golden_sets
from canary.controller.client import RolloutClient
from canary.errors import BadSteps
from canary.judge.profiles import PROFILES
from canary.rollout.commands import Command, Order, Start, Undo

wait_option = click.option("--wait", is_flag=True, help="Wait for the end; the exit code says how it ended.")
timeout_option = click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    help="Seconds to wait: with --wait for the end [default: no end], else for the answer [default: 10, on a "
    "cluster 30].",
)


@click.command()
@target_options
@form_option("name")
@click.argument("canary")
@name_argument
@click.option("--stable", help="Refuse unless this version is the stable one.")
@click.option("--profile", help=f"One of {', '.join(PROFILES)} [default: default; on a cluster, as it is].")
@click.option("--steps", help="Other weights than the profile's, such as 5,20,50.")
@click.option("--replicas", type=click.IntRange(1), help="Canary pods [default: as many as the stable has].")
@click.option(
    "--golden",
    metavar="FILE|none",
    help="Sentences both versions fill before the first request [default: the model's own golden.json].",
)
@click.option(
    "--shadow",
    type=click.IntRange(0, 100),
    help="Per cent of the requests copied to the canary before the first weight; their answers are compared.",
)
@click.option(
    "--shadow-during",
    type=click.IntRange(0, 100),
    help="Per cent of the stable's requests copied to it beside its weights.",
)
@click.option("--service", help="On a cluster, for a new ModelRollout: the Service that clients call.")
@click.option("--dry-run", is_flag=True, help="On a cluster: print what would be applied, and do nothing.")
@wait_option
@timeout_option
def start(target: Target, output: str, name: str | None, **options: Any) -> None:  # noqa: ANN401 - as click gives them
    """Begin a rollout of the version CANARY; on a cluster, of the ModelRollout NAME.

    It is an order: the spec of a ModelRollout is not changed.
    """
    options["steps"] = None if options["steps"] is None else _weights(options["steps"])
    options["within_s"] = None if options["wait"] else options["timeout"]
    if target.remote:
        from bertmesh.commands.rollout.cluster import start_on_cluster  # noqa: PLC0415 - loads the package kubernetes

        client = start_on_cluster(target, output, name, options)
    else:
        client = _start_here(target, output, name, options)
    if options["wait"] and client is not None:
        sys.exit(follow(client, output, options["timeout"]))


@click.command()
@target_options
@form_option("name")
@name_argument
@click.option("--now", "at_once", is_flag=True, help="All traffic as soon as the pods are ready, unjudged.")
@click.option("--why", default="", help="The reason, for the history.")
@wait_option
@timeout_option
def undo(  # noqa: PLR0913 - one parameter for each option, as click has it
    *,
    target: Target,
    output: str,
    name: str | None,
    at_once: bool,
    why: str,
    wait: bool,
    timeout: float | None,
) -> None:
    """Go back to the former stable version: as a rollout, or with --now at once.

    It is judged by the policy of the rollout that it undoes, on a cluster by the ModelRollout's. Nothing has
    to be installed: the pods are started again and get traffic when they are ready.
    """
    client = target.client(name)
    _send(target, client, Undo(*target.stamp(), why, at_once=at_once), output, None if wait else timeout)
    if wait:
        sys.exit(follow(client, output, timeout))


def order(verb: Literal["pause", "resume", "promote"], explanation: str) -> click.Command:
    """Return the command for an order that is obeyed at once."""

    @click.command(verb, help=explanation)
    @target_options
    @form_option("name")
    @name_argument
    @timeout_option
    def command(target: Target, output: str, name: str | None, timeout: float | None) -> None:
        _send(target, target.client(name), Order(*target.stamp(), verb), output, timeout)

    return command


pause = order("pause", "Hold it where it is. It is still judged, and rolled back if it does harm.")
resume = order("resume", "Let a paused rollout go on; on a cluster, also one that spec.suspend holds.")
promote = order("promote", "Move it one step on by hand, past the evidence. A paused one stays paused there.")


@click.command()
@target_options
@form_option("name")
@name_argument
@wait_option
@timeout_option
def abort(*, target: Target, output: str, name: str | None, wait: bool, timeout: float | None) -> None:
    """Send all traffic back to the stable version, whatever the phase, also while a gate waits."""
    client = target.client(name)
    _send(target, client, Order(*target.stamp(), "abort"), output, None if wait else timeout)
    if wait:
        end = follow(client, output, timeout)
        sys.exit({ROLLED_BACK: PROMOTED, STILL_GOING: STILL_GOING}.get(end, FAILED))


def _send(
    target: Target, client: RolloutClient, command: Command, output: str, within_s: float | None
) -> None:
    """Have an order carried out, or say why not."""
    target.check_running(client)
    answered(client, client.send(command, within_s=within_s), output)


def _start_here(target: Target, output: str, name: str | None, options: Mapping[str, Any]) -> RolloutClient:
    for word in ("service", "dry_run"):
        if options[word]:
            message = f"--{word.replace('_', '-')} is for clusters: add --context, --namespace or --cluster"
            raise click.UsageError(message)
    client = target.local(name)
    command = Start(
        *target.stamp(),
        canary=options["canary"],
        stable=options["stable"],
        profile=options["profile"] or "default",
        steps=options["steps"],
        replicas=options["replicas"],
        golden=golden_sets.chosen(target.home, options["canary"], options["golden"]),
        shadow=options["shadow"] or 0,
        shadow_during=options["shadow_during"] or 0,
    )
    _send(target, client, command, output, options["within_s"])
    return client


def _weights(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise BadSteps(text) from error
