"""A person's order as it stands in the annotation of a ModelRollout: how it is written and read."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, unquote

from canary.errors import CanaryError
from canary.rollout.commands import Command, Undo

COMMAND: Final = "bertmesh.dev/command"


VERBS: Final = ("start", "promote", "abort", "pause", "resume", "undo")


FIELDS: Final = frozenset({"id", "by", "why", "now"})


class UnknownCommand(CanaryError):
    """An annotation that asks for nothing that is known."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{COMMAND}={seen!r} asks for nothing that is known: write one of {', '.join(VERBS)}, if you "
            "like followed by id=..., by=... and, of an undo, why=... and now=1, with blanks between and %20 "
            "for a blank within"
        )


@dataclass(frozen=True)
class Note:
    """A command as it stands in the annotation; ``why`` and ``at_once`` belong to an undo."""

    verb: str
    id: str
    by: str
    why: str = ""
    at_once: bool = False


def note(document: Mapping[str, Any]) -> Note | None:
    """Return the command in a resource's annotation, or None.

    Without an id of its own it gets the time at which the annotation was written, so that a controller that
    dies before it takes the annotation away does not obey twice.

    Raises:
        UnknownCommand: the annotation is something else.
    """
    text = document["metadata"].get("annotations", {}).get(COMMAND)
    if text is None:
        return None
    verb, *rest = text.split() or [""]
    words = (word.split("=", 1) for word in rest if "=" in word)
    fields = {name: unquote(value) for name, value in words}
    if verb not in VERBS or len(fields) != len(rest) or fields.keys() - FIELDS:
        raise UnknownCommand(text)
    writer, at = _writer(document)
    return Note(
        verb,
        fields.get("id", f"{verb}@{at}"),
        fields.get("by", writer),
        fields.get("why", ""),
        at_once="now" in fields,
    )


def written(command: Command) -> str:
    """Return a command as it stands in the annotation; `note` reads it."""
    fields = {"id": command.id, "by": command.by}
    if isinstance(command, Undo):
        fields |= {"why": command.why} if command.why else {}
        fields |= {"now": "1"} if command.at_once else {}
    return " ".join([command.verb, *(f"{name}={quote(value)}" for name, value in fields.items())])


def _writer(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return who wrote the annotation, and when, as the API server knows it."""
    for entry in document["metadata"].get("managedFields", ()):
        if f"f:{COMMAND}" in entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:annotations", {}):
            return str(entry["manager"]), str(entry.get("time", ""))
    return "somebody", ""
