"""`bertmesh rollout`: start a canary, follow it, and have a word in it."""

import getpass
import json
import sys
import time
import uuid
from collections.abc import Mapping
from typing import Any, Literal

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from bertmesh import golden as golden_sets
from bertmesh.backtest import backtest
from bertmesh.errors import MeshNotRunning
from bertmesh.explain import explain
from bertmesh.home import Home
from bertmesh.options import home_option, output_option
from canary.client import Client
from canary.commands import Order, Start
from canary.errors import BadCommand, BadSteps, NoRollout
from canary.profiles import PROFILES
from canary.text import entry_line, status_lines

View = Mapping[str, Any]
PROMOTED, FAILED, ROLLED_BACK = 0, 1, 3


@click.group()
def rollout() -> None:
    """Move traffic to a canary by evidence, and see why it moved.

    Exit codes of `start --wait` and `watch`: 0 promoted, 1 failed or could not be followed, 2 wrong usage,
    3 rolled back.
    """


@rollout.command()
@home_option
@output_option
@click.argument("canary")
@click.option("--stable", help="Refuse unless this version is the stable one.")
@click.option("--profile", default="default", show_default=True, help=f"One of {', '.join(PROFILES)}.")
@click.option("--steps", help="Other weights than the profile's, such as 5,20,50.")
@click.option("--replicas", type=click.IntRange(1), help="Canary pods [default: as many as the stable has].")
@click.option(
    "--golden",
    metavar="FILE|none",
    help="Sentences both versions fill before the first request [default: the model's own golden.json].",
)
@click.option("--wait", is_flag=True, help="Wait for the end; the exit code says how it ended.")
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds to wait [default: no end].")
def start(  # noqa: PLR0913, PLR0917 - one parameter for each option, as click has it
    home: Home,
    output: str,
    canary: str,
    stable: str | None,
    profile: str,
    steps: str | None,
    replicas: int | None,
    golden: str | None,
    timeout: float | None,
    *,
    wait: bool,
) -> None:
    """Begin a rollout of the version CANARY."""
    command = Start(
        id=uuid.uuid4().hex,
        by=_user(),
        at=time.time(),
        canary=canary,
        stable=stable,
        profile=profile,
        steps=None if steps is None else _weights(steps),
        replicas=replicas,
        golden=golden_sets.chosen(home, canary, golden),
    )
    _send(home, command, output)
    if wait:
        sys.exit(_follow(home, output, timeout))


def _order(verb: Literal["pause", "resume", "promote", "abort"], explanation: str) -> click.Command:
    @click.command(verb, help=explanation)
    @home_option
    @output_option
    def command(home: Home, output: str) -> None:
        _send(home, Order(uuid.uuid4().hex, _user(), time.time(), verb), output)

    return command


rollout.add_command(
    _order("pause", "Hold it where it is. It is still judged, and rolled back if it does harm.")
)
rollout.add_command(_order("resume", "Let a paused rollout go on."))
rollout.add_command(
    _order("promote", "Move it one step on by hand, past the evidence. A paused one stays paused there.")
)
rollout.add_command(_order("abort", "Send all traffic back to the stable version, whatever the phase."))


rollout.add_command(backtest)
rollout.add_command(explain)


@rollout.command()
@home_option
@output_option
def status(home: Home, output: str) -> None:
    """Show the rollout in progress, or the last one."""
    seen = _client(home).status()
    if output == "json":
        click.echo(json.dumps(seen, ensure_ascii=False, indent=1))
    else:
        click.echo("\n".join(status_lines(seen, time.time())))


@rollout.command()
@home_option
@output_option
@click.option("-n", "--last", type=click.IntRange(1), default=50, show_default=True, help="How many entries.")
def history(home: Home, output: str, last: int) -> None:
    """Show what was decided, by whom, and why."""
    entries = list(_client(home).history())[-last:]
    if output == "json":
        click.echo(json.dumps(entries, ensure_ascii=False, indent=1))
    else:
        click.echo("\n".join(map(entry_line, entries)) or "nothing has happened yet")


@rollout.command()
@home_option
@output_option
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="Seconds to wait [default: no end].")
def watch(home: Home, output: str, timeout: float | None) -> None:
    """Follow the rollout in progress to its end; live on a terminal, otherwise a line a decision."""
    if _client(home).status()["rollout"] is None:
        raise NoRollout(verb="watch")
    sys.exit(_follow(home, output, timeout))


def _client(home: Home) -> Client:
    if not home.root.is_dir():
        raise MeshNotRunning(home.root)
    return Client(home.rollout)


def _user() -> str:
    try:
        return getpass.getuser()
    except OSError:  # a container's user without a name
        return "unknown"


def _weights(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError as error:
        raise BadSteps(text) from error


def _send(home: Home, command: Start | Order, output: str) -> None:
    """Have a command carried out, or say why not."""
    client = _client(home)
    beat = client.status()["controller"]
    if beat is None or not beat["alive"]:
        home.info()  # no mesh at all: say so at once; a controller that restarts gets its time
    answer = client.send(command)
    if not answer.ok:
        raise BadCommand(answer.message)
    if output == "json":
        click.echo(json.dumps({"id": answer.id, "message": answer.message}, ensure_ascii=False))
    else:
        click.echo(answer.message)


def _follow(home: Home, output: str, timeout: float | None) -> int:
    """Show a rollout until it ends, and return the exit code for its end."""
    client = _client(home)
    seen: View = {}
    if output == "text" and sys.stdout.isatty():
        with Live(auto_refresh=False) as live:
            for seen in client.follow(timeout):
                live.update(Group(*map(Text, status_lines(seen, time.time()))), refresh=True)
    else:
        shown = -1
        for seen in client.follow(timeout):  # noqa: B007 - the last one says how it ended
            shown = _print_news(client, output, shown)
    return _exit_code(seen)


def _print_news(client: Client, output: str, shown: int) -> int:
    """Print the entries after number ``shown``, and return the number of the newest one."""
    entries = list(client.history())
    for entry in entries if shown >= 0 else entries[-1:]:
        if entry["number"] > shown:
            click.echo(json.dumps(entry, ensure_ascii=False) if output == "json" else entry_line(entry))
    return entries[-1]["number"] if entries else shown


def _exit_code(seen: View) -> int:
    phase = seen["rollout"]["phase"]
    return {"Promoted": PROMOTED, "RolledBack": ROLLED_BACK}.get(phase, FAILED)
