"""The Dockerfile as BuildKit's own parser reads it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import dockerfile

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Stage:
    """One stage: what it begins from, its name and its instructions."""

    base: str
    name: str
    commands: tuple[dockerfile.Command, ...]

    def of(self, instruction: str) -> list[dockerfile.Command]:
        return [each for each in self.commands if each.cmd == instruction]

    def pairs(self, instruction: str) -> dict[str, str]:
        """Return the names and values of ENV or LABEL."""
        flat = [word.strip('"') for each in self.of(instruction) for word in each.value]
        # The parser of LABEL adds the sign that stood between.
        words = [word for word in flat if word != "="]
        return dict(zip(words[::2], words[1::2], strict=True))


def stages() -> dict[str, Stage]:
    """Return the stages by name."""
    found: dict[str, Stage] = {}
    current: list[dockerfile.Command] = []
    head: Sequence[str] = ()
    for each in dockerfile.parse_file(str(ROOT / "Dockerfile")):
        if each.cmd == "FROM":
            if head:
                found[head[2]] = Stage(head[0], head[2], tuple(current))
            head, current = each.value, []
        else:
            current.append(each)
    found[head[2]] = Stage(head[0], head[2], tuple(current))
    return found


def global_arguments() -> dict[str, str]:
    """Return the arguments before the first stage, with their defaults."""
    found = {}
    for each in dockerfile.parse_file(str(ROOT / "Dockerfile")):
        if each.cmd == "FROM":
            break
        name, _, default = each.value[0].partition("=")
        found[name] = default
    return found


def sources(command: dockerfile.Command) -> Iterator[str]:
    """Yield what a COPY takes out of the context."""
    if not any(flag.startswith("--from") for flag in command.flags):
        yield from command.value[:-1]


def ignored(path: str) -> bool:
    """Tell whether .dockerignore keeps a path from the builder: the last line that matches decides."""
    verdict = False
    for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines():
        pattern = line.strip()
        if pattern and not pattern.startswith("#"):
            keeps = pattern.startswith("!")
            if _matches(path, pattern.removeprefix("!")):
                verdict = not keeps
    return verdict


def _matches(path: str, pattern: str) -> bool:
    parts = path.split("/")
    parents = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    if pattern.startswith("**/"):
        return any(fnmatch(part, pattern.removeprefix("**/")) for part in parts)
    return any(fnmatch(parent, pattern) and parent.count("/") >= pattern.count("/") for parent in parents)
