"""Findings as text for people and as a document for programs."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from doctor.model import Finding, Inventory, Place, Severity

WIDTH = 100
LOOKED = {
    Place.FILES: "in files",
    Place.CLUSTER: "on the cluster",
    Place.LOCAL: "of the local mesh",
}


def as_document(findings: Sequence[Finding], inventory: Inventory) -> dict[str, Any]:
    """Return the findings, how many there are of each severity, and what was looked at."""
    return {
        "looked": {"place": inventory.place.value, "objects": len(inventory.objects)},
        "summary": {severity.value: _count(findings)[severity] for severity in Severity},
        "findings": [asdict(each) for each in findings],
    }


def as_text(findings: Sequence[Finding], inventory: Inventory) -> str:
    """Return the findings, the worst first: what, where, why and how to mend it.

    What a check knows (the title, the why) is said once for all that it has found.
    """
    lines: list[str] = []
    for code in dict.fromkeys(each.code for each in findings):
        lines += [*_told([each for each in findings if each.code == code]), ""]
    return "\n".join([*lines, _summary(findings, inventory)])


def _told(findings: Sequence[Finding]) -> Iterator[str]:
    first = findings[0]
    yield f"{first.code} {first.severity.value}: {first.title}"
    yield from textwrap.wrap(first.why, WIDTH, initial_indent="  ", subsequent_indent="  ")
    for each in findings:
        source = f" ({each.source})" if each.source not in ("", "cluster") else ""
        softer = f" [{each.severity.value}]" if each.severity is not first.severity else ""
        yield f"  - {each.object}{source}{softer}"
        yield f"      {each.field}: {each.seen}"
        yield f"      fix: {each.fix}"


def _summary(findings: Sequence[Finding], inventory: Inventory) -> str:
    counts = _count(findings)
    found = ", ".join(
        f"{counts[severity]} {severity.value}{'s' if counts[severity] != 1 else ''}"
        for severity in (Severity.ERROR, Severity.WARNING)
    )
    notes = f", {counts[Severity.INFO]} to know" if counts[Severity.INFO] else ""
    return f"looked at {len(inventory.objects)} objects {LOOKED[inventory.place]}: {found}{notes}"


def _count(findings: Sequence[Finding]) -> Counter[Severity]:
    return Counter(each.severity for each in findings)
