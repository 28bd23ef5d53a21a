"""What people ask of a rollout: status, history, watch."""

import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

from bertmesh.commands.output import aligned, clock, emit, form_option
from bertmesh.commands.rollout.follow import follow, screen
from bertmesh.commands.rollout.orders import timeout_option
from bertmesh.commands.target import Target, name_argument, target_options
from canary.controller.client import RolloutClient
from canary.errors import NoRollout
from canary.judge import formatting
from canary.views.text import entry_line, status_lines

Document = Mapping[str, Any]
COLUMNS = {
    "PHASE": "phase",
    "STABLE": "stable",
    "CANARY": "canary",
    "WEIGHT": "weight",
    "STEP": "step",
    "VERDICT": "verdict",
}
WIDE = {"PROVED": "weightProved", "SINCE": "since", "PREVIOUS": "previous", "MESSAGE": "message"}


@click.command()
@target_options
@form_option("wide", "name")
@name_argument
@click.option("-A", "--all-namespaces", "everywhere", is_flag=True, help="On a cluster: all ModelRollouts.")
def status(target: Target, output: str, name: str | None, *, everywhere: bool) -> None:
    """Show the rollout in progress, or the last one; on a cluster without a NAME, all of the namespace."""
    if everywhere and not target.remote:
        message = "--all-namespaces is for clusters: add --context, --namespace or --cluster"
        raise click.UsageError(message)
    if target.remote and (everywhere or name is None):
        _list(target, output, everywhere=everywhere)
        return
    _show(target.client(name), output)


def _show(client: RolloutClient, output: str) -> None:
    seen = client.status()
    if output == "name":
        click.echo(client.label)
    elif output == "wide":
        from rich.console import Console  # noqa: PLC0415 - only for this form

        Console(width=200, highlight=False).print(screen(seen, client.known, time.time()))
    else:
        emit(seen, output, lambda: "\n".join(status_lines(seen, time.time())))


def _list(target: Target, output: str, *, everywhere: bool) -> None:
    cluster = target.cluster
    found = cluster.rollouts(everywhere=everywhere).all()
    if output == "name":
        for each in found:
            click.echo(f"modelrollout.bertmesh.dev/{each['metadata']['name']}")
    elif output in {"json", "yaml"}:
        emit({"items": [_summary(each) for each in found]}, output, str)
    else:
        table = _table(found, everywhere=everywhere, wide=output == "wide")
        place = "any namespace" if everywhere else f"namespace {cluster.place.namespace}"
        click.echo(table if found else f"there are no ModelRollouts in {place}")


def _summary(document: Document) -> dict[str, Any]:
    """Return what people read of a resource, without the judge's memory."""
    seen = {key: value for key, value in document.get("status", {}).items() if key != "judge"}
    metadata = {key: document["metadata"][key] for key in ("namespace", "name")}
    return {**metadata, "spec": document["spec"], "status": seen}


def _table(documents: Sequence[Document], *, everywhere: bool, wide: bool) -> str:
    columns = {**COLUMNS, **(WIDE if wide else {})}
    head = [*(["NAMESPACE"] if everywhere else []), "NAME", *columns, "AGE"]
    return aligned([head, *(_row(each, list(columns.values()), everywhere=everywhere) for each in documents)])


def _row(document: Document, keys: Sequence[str], *, everywhere: bool) -> list[str]:
    metadata, seen = document["metadata"], document.get("status", {})
    made = datetime.fromisoformat(metadata["creationTimestamp"])
    cells = [str(seen[key]) if key in seen else "" for key in keys]
    place = [metadata["namespace"]] if everywhere else []
    return [*place, metadata["name"], *cells, formatting.duration((datetime.now(UTC) - made).total_seconds())]


@click.command()
@target_options
@form_option()
@name_argument
@click.option("--last", type=click.IntRange(1), default=50, show_default=True, help="How many entries.")
def history(target: Target, output: str, name: str | None, last: int) -> None:
    """Show what was decided, by whom, and why."""
    entries = list(target.client(name).history())[-last:]
    lines = (entry_line(entry, clock) for entry in entries)
    emit(entries, output, lambda: "\n".join(lines) or "nothing has happened yet")


@click.command()
@target_options
@form_option()
@name_argument
@timeout_option
def watch(target: Target, output: str, name: str | None, timeout: float | None) -> None:
    """Follow the rollout in progress to its end; live on a terminal, otherwise a line a decision."""
    client = target.client(name)
    if client.status()["rollout"] is None:
        raise NoRollout(verb="watch")
    sys.exit(follow(client, output, timeout))
