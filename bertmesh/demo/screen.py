"""What the demo shows while it runs: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Sequence
from statistics import quantiles
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from bertmesh.demo.acts import Act
from bertmesh.demo.facts import failures
from bertmesh.demo.traffic import Response, Traffic
from canary.rollout.history import Entry
from canary.rollout.model import Rollout
from canary.rollout.state import State

WINDOW_S = 5.0
FEW = 2


class Screen:
    """Prints; used as a context manager, so that the terminal is left as it was."""

    def __init__(self, console: Console) -> None:
        """Show a live table if ``console`` is a terminal."""
        self._console = console
        live = Live(console=console, refresh_per_second=4, transient=True)
        self._live = live if console.is_terminal else None

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._console.print(text, soft_wrap=True)

    def entry(self, entry: Entry, *, since: float) -> None:
        """Print a decision, ``since`` being when the act began."""
        move = f"{entry.weight_from} -> {entry.weight_to} %" if entry.weight_from != entry.weight_to else ""
        self.line(f"{entry.at - since:6.1f} s  {entry.phase:<12} {move:<12} {entry.sentence}")

    def tick(self, act: Act, state: State, traffic: Traffic, now: float) -> None:
        """Show the present state, if anybody sees it."""
        if self._live and state.rollout:
            recent = traffic.answers(since=now - WINDOW_S)
            self._live.update(_table(act, state.rollout, state.latest, recent))


def _table(act: Act, rollout: Rollout, latest: Entry | None, answers: Sequence[Response]) -> Table:
    table = Table("version", "weight", "requests/s", "failed", "p50 ms", "p99 ms", title=act.title)
    for version, weight in rollout.split.shares:
        mine = [answer for answer in answers if answer.version == version]
        p50, p99 = _percentiles([answer.seconds for answer in mine])
        rate = f"{len(mine) / WINDOW_S:.1f}"
        table.add_row(version, f"{weight} %", rate, str(failures(mine)), p50, p99)
    table.caption = f"{rollout.phase.value}: {latest.sentence if latest else ''}"
    return table


def _percentiles(seconds: Sequence[float]) -> tuple[str, str]:
    if len(seconds) < FEW:
        return "-", "-"
    cuts = quantiles(seconds, n=100, method="inclusive")
    return f"{1000 * cuts[49]:.0f}", f"{1000 * cuts[98]:.0f}"
