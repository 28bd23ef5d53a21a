"""The way into a running container: `python -I -S enter.py FOLDER WORD...` runs a command there.

FOLDER is the container's own on the node, with its plan and the number of its process 1; both count in the
node's namespaces, in which this has to run.
"""

# Nothing but the standard library, and little of it: this is run as a file.
# ruff: noqa: PTH123, S606 - without pathlib, without a shell
import json
import os
import sys
from collections.abc import Mapping, Sequence

PLAN, PID = "plan.json", "pid"


def entering(folder: str, words: Sequence[str]) -> tuple[list[str], Mapping[str, str]]:
    """Return a command line that runs ``words`` as the container would, and its environment."""
    plan, pid = json.loads(_text(f"{folder}/{PLAN}")), _text(f"{folder}/{PID}")
    inside = ["/usr/bin/nsenter", f"--target={pid}", "--mount", "--pid", "--net", "--ipc", "--uts", "--"]
    # Whoever enters a mount namespace stands at its root.
    beginning = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', plan["workdir"]]
    return [*inside, *plan["identity"], *beginning, *words], plan["environment"]


def _text(path: str) -> str:
    with open(path, encoding="utf-8") as file:
        return file.read()


def main() -> None:
    """Become the command."""
    command, environment = entering(sys.argv[1], sys.argv[2:])
    os.execve(command[0], command, environment)


if __name__ == "__main__":
    main()
