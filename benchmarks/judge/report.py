"""The results as tables, and what they say about the targets."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.judge.simulate import RULES, Result, Share

TARGET: Final = 0.01
DEAD_S: Final = 15.0
DEAD_RPS: Final = 100.0
BEGIN: Final = "<!-- tables: begin (written by python -m benchmarks.judge --write) -->"
END: Final = "<!-- tables: end -->"
OURS: Final = next(iter(RULES))

Row = Sequence[str]
Writer = Callable[[Result], str]
Chooser = Callable[[Result], Share]


@dataclass(frozen=True)
class Target:
    """One of our promises, and the cell that comes nearest to breaking it."""

    promise: str
    worst: str
    seen: str
    kept: bool
    refuted: bool

    def __str__(self) -> str:
        fate = "kept" if self.kept else "refuted" if self.refuted else "not kept here, within chance"
        return f"- {self.promise}: {fate}; worst cell {self.worst}: {self.seen}"


def targets(results: Sequence[Result]) -> list[Target]:
    """Return what our own results say about our promises."""
    ours = [result for result in results if result.rule == OURS]
    return [
        _share("good canaries rolled back at most 1 %", ours, "equal", lambda r: r.rolled_back),
        _share(
            "canaries at the stated margin promoted at most 1 %", ours, "at the margin", lambda r: r.promoted
        ),
        _dead(ours),
    ]


def stress_targets(results: Sequence[Result]) -> list[Target]:
    """Return what our results under stress say: to be known, not promised."""
    ours = [result for result in results if result.rule == OURS]
    return [
        _share("under stress, good canaries rolled back at most 1 %", ours, "equal", lambda r: r.rolled_back),
        _share(
            "under stress, at the margin promoted at most 1 %", ours, "at the margin", lambda r: r.promoted
        ),
    ]


def other_targets(results: Sequence[Result]) -> list[Target]:
    """Return what our results on the other metrics say about the same promises."""
    return [
        _share(
            "slow, lowconf: good canaries rolled back at most 1 %", results, "equal", lambda r: r.rolled_back
        ),
        _share(
            "slow, lowconf: at the margin promoted at most 1 %",
            results,
            "at the margin",
            lambda r: r.promoted,
        ),
    ]


def other_table(results: Sequence[Result]) -> str:
    """Return our results on the other metrics, one row a cell of traffic."""
    head: Row = ("metric, traffic, base rate", "good: rolled back, %", "good: minutes until promotion",
                 "at the margin: promoted, %", "all bad: seconds until out")  # fmt: skip
    found = {(result.cell.scenario.name, result.cell.kind): result for result in results}
    names = dict.fromkeys(name for name, _ in found)
    rows = [
        (
            name,
            _rolled_back(found[name, "equal"]),
            _minutes(found[name, "equal"]),
            _promoted(found[name, "at the margin"]),
            _seconds(found[name, "dead"]),
        )
        for name in names
    ]
    return "### The other metrics, each alone\n\n" + "\n".join(_lines(head, rows))


def tables(main: Sequence[Result], stress: Sequence[Result]) -> str:
    """Return the tables that compare the rules, in Markdown."""
    parts = (
        ("Good canaries rolled back, %", main, "equal", _rolled_back),
        ("Canaries at the stated margin promoted, %", main, "at the margin", _promoted),
        ("Twice as many errors: promoted, %", main, "x2", _promoted),
        ("Five times as many errors: promoted, %", main, "x5", _promoted),
        ("Dead canaries: seconds until they are out, median / slowest", main, "dead", _seconds),
        ("Good canaries: minutes until promotion, median", main, "equal", _minutes),
        ("Under stress: good canaries rolled back, %", stress, "equal", _rolled_back),
        ("Under stress: canaries at the stated margin promoted, %", stress, "at the margin", _promoted),
        ("Under stress: dead canaries, seconds until they are out", stress, "dead", _seconds),
    )
    return "\n\n".join(_table(title, results, kind, cell) for title, results, kind, cell in parts if results)


def write(path: Path, text: str) -> None:
    """Put the tables between the markers of a document.

    Raises:
        ValueError: the markers are not there.
    """
    document = path.read_text(encoding="utf-8")
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        message = f"{path} has no place for tables: it needs the lines {BEGIN!r} and {END!r}"
        raise ValueError(message)
    path.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _table(title: str, results: Sequence[Result], kind: str, cell: Writer) -> str:
    chosen = [result for result in results if result.cell.kind == kind]
    names = list(dict.fromkeys(result.cell.scenario.name for result in chosen))
    rules = list(dict.fromkeys(result.rule for result in chosen))
    found = {(result.cell.scenario.name, result.rule): result for result in chosen}
    head: Row = ("traffic, base error rate", *rules)
    rows = [(name, *(cell(found[name, rule]) for rule in rules)) for name in names]
    return f"### {title}\n\n" + "\n".join(_lines(head, rows))


def _lines(head: Row, rows: Iterable[Row]) -> Iterable[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _rolled_back(result: Result) -> str:
    return str(result.rolled_back)


def _promoted(result: Result) -> str:
    return str(result.promoted)


def _seconds(result: Result) -> str:
    if math.isnan(result.rolled_back_s):
        return "never"
    return f"{result.rolled_back_s:.0f} / {result.slowest_s:.0f}"


def _minutes(result: Result) -> str:
    return "never" if math.isnan(result.promoted_s) else f"{result.promoted_s / 60:.1f}"


def _share(promise: str, results: Sequence[Result], kind: str, of: Chooser) -> Target:
    chosen = [result for result in results if result.cell.kind == kind]
    worst = max(chosen, key=lambda result: of(result).count / of(result).runs)
    share: Share = of(worst)
    kept = share.count <= TARGET * share.runs
    return Target(promise, worst.cell.scenario.name, f"{share} %", kept, refuted=share.limits[0] > TARGET)


def _dead(results: Sequence[Result]) -> Target:
    chosen = [r for r in results if r.cell.kind == "dead" and r.cell.scenario.rps >= DEAD_RPS]
    worst = max(chosen, key=lambda result: result.slowest_s)
    out = worst.rolled_back.count == worst.rolled_back.runs and worst.slowest_s <= DEAD_S
    promise = f"a dead canary at {DEAD_RPS:g} rps or more is out within {DEAD_S:g} s"
    return Target(promise, worst.cell.scenario.name, f"slowest {worst.slowest_s:.0f} s", out, refuted=not out)
