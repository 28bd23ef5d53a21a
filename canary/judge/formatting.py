"""Numbers as people read them."""

MINUTE, HOUR = 60.0, 3600.0


WHOLE_FROM = 100.0


SCIENTIFIC_FROM = 1e6


def count(number: float) -> str:
    """Write 1020 as 1,020."""
    return f"{number:,.0f}"


def percent(part: int, whole: int) -> str:
    """Write 81 of 10,000 as 0.81 %."""
    return f"{100 * part / whole:.2f} %" if whole else "nothing"


def duration(seconds: float) -> str:
    """Write 2040 as 34 min."""
    if seconds < 2 * MINUTE:
        return f"{seconds:.0f} s"
    return f"{seconds / MINUTE:.0f} min" if seconds < 2 * HOUR else f"{seconds / HOUR:.1f} h"


def evidence(value: float) -> str:
    """Write 184,000,000 as 1.8e8."""
    if value >= SCIENTIFIC_FROM:
        return f"{value:.1e}".replace("e+0", "e").replace("e+", "e")
    return count(value) if value >= WHOLE_FROM else f"{value:.2f}"
