"""Following a rollout to its end, and the exit codes by which a pipeline knows how it ended."""

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Final

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bertmesh.commands.output import TEXT, clock, written
from canary.controller.client import RolloutClient
from canary.errors import WaitedTooLong
from canary.judge import formatting
from canary.rollout.state import State
from canary.views.findings import Evidence, MetricView, Side, evidence
from canary.views.rollout import entry_view
from canary.views.runs import runs
from canary.views.scale import Gauge
from canary.views.text import entry_line, status_lines

PROMOTED, FAILED, ROLLED_BACK, STILL_GOING = 0, 1, 3, 4
EXIT_CODES: Final = (
    "Exit codes of `start --wait`, `undo --wait` and `watch`: 0 promoted, 1 failed or could not be followed, "
    "2 wrong usage, 3 rolled back, 4 still going when --timeout was over. `abort --wait`: 0 once all traffic "
    "is on the stable version. All others: 0 done, 1 refused, 2 wrong usage."
)
BAR: Final = 20
TONES: Final = {"calm": "dim", "warn": "yellow", "bad": "red", "open": "cyan", "proved": "green"}

View = Mapping[str, Any]


def follow(client: RolloutClient, form: str, timeout: float | None) -> int:
    """Show a rollout until it ends, and return the exit code for its end.

    Raises:
        CanaryError, MeshError: it cannot be followed.
    """
    try:
        seen = (
            _live(client, timeout) if form == TEXT and sys.stdout.isatty() else _lines(client, form, timeout)
        )
    except WaitedTooLong as error:
        click.echo(f"Error: {error}", err=True)
        return STILL_GOING
    phase = seen["rollout"]["phase"]
    return {"Promoted": PROMOTED, "RolledBack": ROLLED_BACK}.get(phase, FAILED)


def _live(client: RolloutClient, timeout: float | None) -> View:
    seen: View = {}
    with Live(auto_refresh=False) as live:
        for seen in client.follow(timeout):
            live.update(screen(seen, client.known, time.time()), refresh=True)
    return seen


def _lines(client: RolloutClient, form: str, timeout: float | None) -> View:
    """Print a line a decision, from the newest one that is known at first."""
    seen: View = {}
    shown = -1
    for seen in client.follow(timeout):  # noqa: B007 - the last one says how it ended
        entries = [entry_view(entry) for entry in client.known.history] if client.known else []
        for entry in entries if shown >= 0 else entries[-1:]:
            if entry["number"] > shown:
                click.echo(_line(entry, form))
        shown = entries[-1]["number"] if entries else shown
    return seen


def _line(entry: View, form: str) -> str:
    if form == "json":
        return json.dumps(entry, ensure_ascii=False)
    return f"---\n{written(entry, form)}" if form == "yaml" else entry_line(entry, clock)


def screen(seen: View, state: State | None, now: float) -> RenderableType:
    """Return a rollout as a terminal shows it, the evidence as bars; ``now`` is in Unix seconds."""
    lines = [Text(line) for line in status_lines(seen, now)]
    known = runs(state) if state else ()
    found = evidence(known[0]) if known else None
    if found is None:
        return Group(*lines)
    return Group(*lines, Text(), _needed(found), _table(found))


def _needed(found: Evidence) -> Text:
    return Text(f"still needed: {found.needed.amount} ({found.needed.words})", style="bold")


def _table(found: Evidence) -> Table:
    titles = ("", "canary", "stable", "harm", "", "safe", "")
    table = Table(*titles, box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_row("all", "", "", *_gauge(found.total), "", "")
    for it in found.findings:
        if it.counted:
            table.add_row(it.name, _side(it.canary), _side(it.stable), *_gauge(it.harm), *_safest(it))
    return table


def _side(side: Side) -> str:
    return f"{side.share} of {formatting.count(side.requests)}"


def _safest(it: MetricView) -> tuple[Text, Text]:
    """Return the claim that is nearest to being proved."""
    return _gauge(max(it.safe, key=lambda gauge: gauge.width / gauge.mark)) if it.safe else (Text(), Text())


def _gauge(gauge: Gauge) -> tuple[Text, Text]:
    """Return a bar whose full length is what is enough, and the numbers."""
    full = min(BAR, round(BAR * gauge.width / gauge.mark)) if gauge.mark else 0
    bar = Text("█" * full + "░" * (BAR - full), style=TONES.get(gauge.tone, ""))
    return bar, Text(f"{gauge.text} of {gauge.enough:g}")
