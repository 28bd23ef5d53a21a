"""The summary at the end of the demo."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bertmesh.demo.acts import Outcome
from bertmesh.demo.traffic import Answer
from mesh.policy import MAX_PERCENT


def print_report(outcomes: Sequence[Outcome], answers: Sequence[Answer], console: Console) -> bool:
    """Print what was measured and which promises were kept; return whether all were."""
    console.print("\n[bold]What was measured[/bold]", highlight=False)
    console.print(_overview(outcomes))
    console.print("[bold]Steps: split asked and seen[/bold]", highlight=False)
    console.print(_steps(outcomes))
    for outcome in outcomes:
        console.print(f"{outcome.act.canary}: {outcome.sentence}", highlight=False, soft_wrap=True)
        if outcome.resumption:
            console.print(_resumed(outcome), highlight=False, soft_wrap=True)
    failed = sum(answer.failed for answer in answers)
    console.print(f"{len(answers)} requests in all, {failed} of them failed for the client", highlight=False)
    broken = [f"{outcome.act.title}: {words}" for outcome in outcomes for words in outcome.broken_promises()]
    for words in broken:
        console.print(f"[red]promise broken[/red] {words}", highlight=False, soft_wrap=True)
    if not broken:
        console.print("[green]every promise was kept[/green]", highlight=False)
    return not broken


def _overview(outcomes: Sequence[Outcome]) -> Table:
    headings = ("canary", "ended", "seconds", "requests", "failed", "on canary for", "split p")
    table = Table(*headings, box=None)
    for outcome in outcomes:
        table.add_row(
            outcome.act.canary,
            outcome.phase,
            f"{outcome.end - outcome.begin:.0f}",
            str(len(outcome.answers)),
            str(outcome.failures),
            f"{outcome.seconds_on_canary:.1f} s",
            "-" if outcome.p is None else f"{outcome.p:.2f}",
        )
    return table


def _steps(outcomes: Sequence[Outcome]) -> Table:
    table = Table("canary", "asked", "seen", "requests", "seconds", box=None)
    for outcome in outcomes:
        for split in outcome.splits:
            seen = f"{split.share:.1f} %" if split.stable + split.canary else "-"
            asked, requests = f"{split.weight} %", f"{split.canary}/{split.stable + split.canary}"
            bake = " (bake)" if split.weight == MAX_PERCENT else ""
            table.add_row(outcome.act.canary, asked + bake, seen, requests, f"{split.seconds:.1f}")
    return table


def _resumed(outcome: Outcome) -> str:
    seen = outcome.resumption
    if seen is None:
        return ""
    return (
        f"  its controller was killed at {seen.weight_before} % with {seen.judged_before} ticks of evidence; "
        f"it went on {seen.down_s:.1f} s later at {seen.weight_after} % with {seen.judged_after} ticks"
    )
