"""Runs all checks over an inventory."""

from collections.abc import Collection, Sequence

import doctor.checks  # noqa: F401 - importing it registers the checks
from doctor.check import REGISTERED, Check
from doctor.errors import UnknownCode
from doctor.model import Finding, Inventory


def all_checks() -> Sequence[Check]:
    """Return every check, by code."""
    return [REGISTERED[code] for code in sorted(REGISTERED)]


def examine(inventory: Inventory, ignore: Collection[str] = ()) -> list[Finding]:
    """Return what is wrong, the worst first.

    Raises:
        UnknownCode: a code to ignore is none.
    """
    checks = {each.code: each for each in all_checks()}
    for code in ignore:
        if code not in checks:
            raise UnknownCode(code)
    wanted = [each for code, each in checks.items() if code not in ignore]
    found = {finding: None for each in wanted for finding in each.findings(inventory)}
    return sorted(found, key=lambda finding: finding.order)
