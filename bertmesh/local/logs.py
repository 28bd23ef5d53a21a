"""What a process said last, out of its log."""

import json
from pathlib import Path

TAIL_BYTES = 16_384
CRITICAL = '"level":"critical"'


def last_words(log: Path) -> str:
    """Return the last line of a log that says why its process ended.

    That is the last critical line, if the process writes its log as JSON (gunicorn goes on talking
    after it), else the last line that is not empty.
    """
    lines = [line.strip() for line in _tail(log).splitlines() if line.strip()]
    critical = [line for line in lines if CRITICAL in line.replace(" ", "")]
    said = (critical or lines or ["it said nothing"])[-1]
    return _message(said).removeprefix("Error: ")


def _tail(log: Path) -> str:
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        return file.read().decode("utf-8", "replace")


def _message(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return line
    return str(document.get("message", line)) if isinstance(document, dict) else line
