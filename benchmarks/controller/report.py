"""The table, and where it is kept."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.controller.measure import TICK_S, Row

BEGIN: Final = "<!-- table: begin (written by python -m benchmarks.controller --write) -->"
END: Final = "<!-- table: end -->"
HEAD: Final = (
    "rollouts",
    "state",
    "passes/s",
    "CPU ms a pass",
    "CPU %",
    "pass p99",
    "API reads/min each",
    "API writes/min each",
    "queries a tick",
    "RSS MiB",
)


def table(rows: Sequence[Row], seconds: float) -> str:
    """Return the rows as a Markdown table, with how they were made."""
    lines = [HEAD, ["---"] * len(HEAD), *map(_cells, rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"`python -m benchmarks.controller`: each state was watched for {seconds:g} s.\n\n{body}"


def write(document: Path, text: str) -> None:
    """Replace the table of a document."""
    old = document.read_text("utf-8")
    before, rest = old.split(BEGIN)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", "utf-8")


def _cells(row: Row) -> list[str]:
    minutes, ticks = row.seconds / 60, row.seconds / TICK_S
    each = row.rollouts * minutes
    return [
        f"{row.rollouts:,}",
        row.state,
        f"{row.passes / row.seconds:.1f}",
        f"{1000 * row.cpu_s / row.passes:.1f}" if row.passes else "-",
        f"{100 * row.cpu_s / row.seconds:.0f}",
        f"<= {1000 * row.p99_s:.0f} ms",
        f"{row.reads / each:.1f}",
        f"{row.writes / each:.2f}",
        f"{row.queries / ticks:.1f}",
        f"{row.rss_mib:.0f}",
    ]
