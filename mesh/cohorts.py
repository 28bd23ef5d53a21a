"""Sticky users: cohorts from 0 to 99, of which those below the weight go to the canary.

A user who once got the canary keeps it while the weight grows, and no user changes sides twice.
"""

from typing import Final

ALL: Final = "[0-9]{1,2}"
"""Every cohort, as a regular expression (RE2, matching the whole value)."""
SIZE: Final = 10


def below(weight: int) -> str:
    """Return the regular expression of the cohorts from 0 to ``weight`` - 1, for a weight from 1 to 100."""
    tens, ones = divmod(weight, SIZE)
    parts = [_digits(SIZE)] if tens else []
    if tens > 1:
        parts.append(f"[1-{tens - 1}]{_digits(SIZE)}")
    if ones:
        parts.append(f"{tens or ''}{_digits(ones)}")
    return "|".join(parts)


def _digits(count: int) -> str:
    return f"[0-{count - 1}]"
