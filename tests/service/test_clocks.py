"""A jump of the wall clock moves no deadline, queue, breaker, lease or rate: nothing measures by it."""

import re
from pathlib import Path

import service

WALL = re.compile(r"\btime\.time\(|\bfrom time import .*\btime\b|\bdatetime\.(?:utc)?now\(|\.timestamp\(")
STAMPS = {"service/routes.py"}
"""Modules that tell the time of day to people, and do nothing else with it."""


def test_the_wall_clock_is_only_read_for_stamps_in_answers() -> None:
    root = Path(service.__file__).parent
    files = {path.relative_to(root.parent).as_posix(): path.read_text("utf-8") for path in root.rglob("*.py")}
    assert {name for name, text in files.items() if WALL.search(text)} == STAMPS
