"""How many pods a load needs: `make generate` writes docs/sizing.md from docs/performance.md.

Every number on the page is read from the measured tables or computed from them; none is typed by hand.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"
SOURCE, PAGE = DOCS / "performance.md", DOCS / "sizing.md"
OURS = "pod"
COLUMNS = (("requests/s", "32 clients"), ("p99",), ("memory", "PSS"), ("start", "first answer"))
"""Parts of the names of the columns: rate, tail (ms), memory (MiB), start (s)."""

LOADS = (10, 50, 100, 250, 500, 1000)
"""Requests a second that are asked about."""
BUSY = 0.6
"""Share of the measured rate that is planned for: p99 was measured at saturation, users want it below."""
SPARE = 1
"""Pods more than the load needs, so that a node may be drained or a pod die."""
MEMORY_ROOM = 2.0
"""Limit over what was measured: conversions, a second model during a swap, longer texts."""
STEP_MIB = 128
CORES = 2
"""Cores that a pod had in the measurement."""
HIDDEN, BYTES = 768, 2
"""Numbers in a vector of bert-base, and bytes of each in the cache (half precision)."""


class Unreadable(SystemExit):
    """The measured tables are not what this script reads."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{SOURCE.name} has no {what}: name it as before, or teach benchmarks/sizing.py")


@dataclass(frozen=True)
class Measured:
    """A row: requests/s and p99 (ms) at 32 clients, MiB, and seconds to the first answer."""

    name: str
    rate: float
    p99_ms: float
    memory_mib: float
    start_s: float

    def pods(self, load: float) -> int:
        """Return how many pods serve ``load`` requests a second, the spare one included."""
        return math.ceil(load / (self.rate * BUSY)) + SPARE

    @property
    def request_mib(self) -> int:
        """What to ask for: as measured, rounded up."""
        return STEP_MIB * math.ceil(self.memory_mib / STEP_MIB)

    @property
    def limit_mib(self) -> int:
        """What to allow."""
        return STEP_MIB * math.ceil(self.memory_mib * MEMORY_ROOM / STEP_MIB)


def tables(page: str) -> Iterator[list[Mapping[str, str]]]:
    """Yield the tables of a page: for each row a mapping from column to cell."""
    lines: list[list[str]] = []
    for line in [*page.splitlines(), ""]:
        if line.startswith("|"):
            lines.append([cell.strip() for cell in line.strip("|").split("|")])
        elif lines:
            head, *rows = lines
            yield [dict(zip(head, row, strict=True)) for row in rows[1:] if len(row) == len(head)]
            lines = []


def measured(page: str) -> list[Measured]:
    """Return our own rows, in the first table that has such."""
    for rows in tables(page):
        ours = [row for row in rows if next(iter(row.values())).split(",")[0] == OURS]
        if ours and all(_column(ours[0], parts) for parts in COLUMNS):
            return [_row(row) for row in ours]
    what = f"table with rows '{OURS}, ...' and columns with {', '.join(parts[0] for parts in COLUMNS)}"
    raise Unreadable(what)


def _row(row: Mapping[str, str]) -> Measured:
    name = next(iter(row.values())).partition(" (")[0].removeprefix(f"{OURS}, ")
    rate, tail, memory, start = (row[_column(row, parts)] for parts in COLUMNS)
    return Measured(name, *map(_number, (rate, tail.rpartition("/")[2], memory, start)))


def _column(row: Mapping[str, str], parts: Sequence[str]) -> str:
    """Return the first column whose name has one of these parts, or nothing."""
    return next((name for name in row if any(part in name for part in parts)), "")


def _number(cell: str) -> float:
    found = re.search(r"\d+(\.\d+)?", cell.replace(",", ""))
    if found is None:
        what = f"number in the cell {cell!r}"
        raise Unreadable(what)
    return float(found.group())


def page(rows: Sequence[Measured]) -> str:
    """Return docs/sizing.md."""
    return TEMPLATE.format(
        pods=_pods(rows),
        resources=_resources(rows),
        busy=f"{BUSY:.0%}".replace("%", " %"),
        spare=SPARE,
        cores=CORES,
        room=MEMORY_ROOM,
        step=STEP_MIB,
        example=_example(rows[0]),
        values=_values(rows[0]),
        numbers=HIDDEN,
        bytes=HIDDEN * BYTES,
    )


def _pods(rows: Sequence[Measured]) -> str:
    head = ["requests/s", *(row.name for row in rows)]
    lines = [
        [f"{load:,}", *(f"{row.pods(load)} ({row.pods(load) * CORES} cores)" for row in rows)]
        for load in LOADS
    ]
    return _markdown([head, *lines])


def _resources(rows: Sequence[Measured]) -> str:
    head = ["engine", "requests/s a pod", "p99 ms, saturated", "memory request", "memory limit", "start s"]
    lines = [
        [
            row.name,
            f"{row.rate:g}",
            f"{row.p99_ms:g}",
            f"{row.request_mib} MiB",
            f"{row.limit_mib} MiB",
            f"{row.start_s:g}",
        ]
        for row in rows
    ]
    return _markdown([head, *lines])


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = (f"| {' | '.join(line)} |" for line in lines)
    return "\n".join([head, "|" + "---|" * len(lines[0]), *rest])


def _example(row: Measured) -> str:
    load = LOADS[2]
    return (
        f"{load} requests a second with {row.name}: {load} / ({row.rate:g} x {BUSY:g}) = "
        f"{load / (row.rate * BUSY):.2f}, so {row.pods(load) - SPARE} and {SPARE} to spare"
    )


def _values(row: Measured) -> str:
    return (
        "    modelDefaults:\n"
        f"      threads: {CORES}\n"
        "      resources:\n"
        f'        requests: {{cpu: "{CORES}", memory: {row.request_mib}Mi}}\n'
        f"        limits: {{memory: {row.limit_mib}Mi}}\n"
        f"      autoscaling: {{min: {row.pods(LOADS[1])}, max: {row.pods(LOADS[3])}, cpu: {BUSY * 100:.0f}}}"
    )


TEMPLATE = """# Sizing

<!-- Generated by `make generate` from docs/performance.md; do not edit. -->

How many pods a load needs, computed from the measured rates in [performance.md](performance.md): a model
in the shape of bert-base, short Chinese reviews, {cores} cores a pod, no cache. Trust it as far as that
page trusts its numbers, then measure your own texts: time grows with their length, and `zh-small` is a
much smaller model.

{pods}

The rule: requests a second, divided by {busy} of a pod's measured rate, rounded up, and {spare} pod to
spare for a drained node. At the measured rate itself 32 clients keep a pod saturated; users want to wait
less than that. For example, {example}.

During a rollout a canary has pods of its own, up to as many as the stable version has: plan for twice
the number while one is under way, or give it fewer with longer steps. A cached answer costs a pod almost
nothing: multiply the load by the share that misses the cache, once you know it, and not before.

## A pod

{resources}

Requests are what was measured, rounded up to {step} MiB; limits are {room:g} times that, for a second
model during a swap and for longer texts. Memory is a proportional share (PSS): of pages that the servers
of the benchmark shared it counts a part, so a pod with torch needs more when it is alone. Give no CPU
limit: the kernel would throttle a batch in its middle. Set `threads` to the requested cores. More cores
in one pod help less than more pods ([performance.md](performance.md) has the ratios).

The values of the chart for the second and the fourth line of the first table, with the first engine:

{values}

Redis: a cached vector of {numbers} numbers is {bytes:,} bytes and its key. A pod keeps the last answers too,
in at most 32 MiB (`BERTMESH_CACHE_LOCAL_BYTES`), which the table is without. What the controller needs is
measured by `python -m benchmarks.controller`; the proxies' share is Istio's to say.
"""
