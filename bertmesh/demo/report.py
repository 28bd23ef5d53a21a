"""The summary at the end of the demo."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bertmesh.demo.acts import PROFILE, ActResult
from bertmesh.demo.facts import failures
from bertmesh.demo.pace import Pace
from bertmesh.demo.proofs import Succession
from bertmesh.demo.traffic import Response


def print_report(
    outcomes: Sequence[ActResult], answers: Sequence[Response], pace: Pace, console: Console
) -> bool:
    """Print what was measured and which promises were kept; return whether all were."""
    console.print("\n[bold]What was measured[/bold]")
    console.print(_overview(outcomes))
    console.print("[bold]Steps: split asked and seen[/bold]")
    console.print(_steps(outcomes))
    for outcome in outcomes:
        console.print(f"{outcome.act.canary}: {outcome.sentence}", soft_wrap=True)
        if outcome.succession:
            console.print(_succeeded(outcome.succession), soft_wrap=True)
    console.print(f"{len(answers)} requests in all, {failures(answers)} of them failed for the client")
    if pace.eased_to:
        fewest = f"instead of {pace.chosen:.0f} requests/s as few as {pace.eased_to:.0f} were sent"
        console.print(f"the machine was full at times: {fewest}")
    broken = [f"{outcome.act.title}: {words}" for outcome in outcomes for words in outcome.broken_promises()]
    for words in broken:
        console.print(f"[red]promise broken[/red] {words}", soft_wrap=True)
    if not broken:
        console.print("[green]every promise was kept[/green]")
    return not broken


def _overview(outcomes: Sequence[ActResult]) -> Table:
    headings = ("canary", "ended", "seconds", "requests", "failed", "on the canary", "split p")
    table = Table(*headings, box=None)
    for outcome in outcomes:
        table.add_row(
            outcome.act.canary,
            outcome.phase,
            f"{outcome.end - outcome.begin:.0f}",
            str(len(outcome.answers)),
            str(outcome.failures),
            str(len(outcome.on_canary)),
            "-" if outcome.p is None else f"{outcome.p:.2f}",
        )
    return table


def _steps(outcomes: Sequence[ActResult]) -> Table:
    table = Table("canary", "asked", "seen", "requests", "seconds", box=None)
    for outcome in outcomes:
        for split in outcome.splits:
            seen = f"{split.share:.1f} %" if split.stable + split.canary else "-"
            asked, requests = f"{split.weight} %", f"{split.canary}/{split.stable + split.canary}"
            bake = " (bake)" if split.weight == PROFILE.bake_weight else ""
            table.add_row(outcome.act.canary, asked + bake, seen, requests, f"{split.seconds:.1f}")
    return table


def _succeeded(seen: Succession) -> str:
    first = seen.added[0] if seen.added else None
    then = f"; its first decision was {first.weight_from} -> {first.weight_to} %" if first else ""
    return (
        f"  its controller was killed at {seen.before.weight} %, {seen.before.ticks} ticks of evidence on "
        f"file; {seen.back_at - seen.killed_at:.1f} s later another was at work with these{then}"
    )
