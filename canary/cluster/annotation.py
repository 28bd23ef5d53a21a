"""A person's order as it stands in the annotation of a ModelRollout: how it is written and read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, unquote

from canary.errors import CanaryError
from canary.rollout.commands import Command, Undo

COMMAND: Final = "bertmesh.dev/command"


VERBS: Final = ("start", "promote", "abort", "pause", "resume", "undo")
FIELDS: Final = {
    "start": frozenset({"canary", "profile", "steps", "shadow", "shadowDuring"}),
    "undo": frozenset({"why", "now"}),
}
"""What an order may say beside its id and who gave it."""


class UnknownCommand(CanaryError):
    """An annotation that asks for nothing that is known."""

    def __init__(self, seen: str) -> None:
        super().__init__(
            f"{COMMAND}={seen!r} asks for nothing that is known: write one of {', '.join(VERBS)}, if you "
            "like followed by id=..., by=..., of an undo why=... and now=1, of a start canary=..., "
            "profile=..., steps=5,20, shadow=... and shadowDuring=... (per cent), with blanks between and "
            "%20 for a blank within"
        )


@dataclass(frozen=True)
class Note:
    """A command as it stands in the annotation.

    ``why`` and ``at_once`` belong to an undo; ``spec`` is what a start or a resume wants of the spec.
    """

    verb: str
    id: str
    by: str
    why: str = ""
    at_once: bool = False
    spec: Mapping[str, Any] = field(default_factory=dict)


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
    allowed = FIELDS.get(verb, frozenset()) | {"id", "by"}
    if verb not in VERBS or len(fields) != len(rest) or fields.keys() - allowed:
        raise UnknownCommand(text)
    try:
        spec = wanted_of_spec(verb, fields)
    except ValueError as error:
        raise UnknownCommand(text) from error
    writer, at = _writer(document)
    return Note(
        verb,
        fields.get("id", f"{verb}@{at}"),
        fields.get("by", writer),
        fields.get("why", ""),
        at_once="now" in fields,
        spec=spec,
    )


def written(command: Command, wanted: Mapping[str, str] | None = None) -> str:
    """Return a command as it stands in the annotation, with what a start wants; `note` reads it."""
    fields = {"id": command.id, "by": command.by, **(wanted or {})}
    if isinstance(command, Undo):
        fields |= {"why": command.why} if command.why else {}
        fields |= {"now": "1"} if command.at_once else {}
    return " ".join([command.verb, *(f"{name}={quote(value)}" for name, value in fields.items())])


def wanted_of_spec(verb: str, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what of the spec an order wants, by what it says beside its verb.

    Raises:
        ValueError: there is no number where one was to be.
    """
    if verb == "resume":
        return {"suspend": None}
    steps = [{"weight": int(weight)} for weight in fields["steps"].split(",")] if "steps" in fields else None
    shares = {"percent": fields.get("shadow"), "duringPercent": fields.get("shadowDuring")}
    parts: dict[str, dict[str, Any]] = {
        "policy": {"profile": fields.get("profile"), "steps": steps},
        "shadow": {name: None if share is None else int(share) for name, share in shares.items()},
    }
    maps = {
        name: {key: value for key, value in part.items() if value is not None} for name, part in parts.items()
    }
    canary = {"canary": fields["canary"]} if "canary" in fields else {}
    return {**canary, **{name: part for name, part in maps.items() if part}}


def _writer(document: Mapping[str, Any]) -> tuple[str, str]:
    """Return who wrote the annotation, and when, as the API server knows it."""
    for entry in document["metadata"].get("managedFields", ()):
        if f"f:{COMMAND}" in entry.get("fieldsV1", {}).get("f:metadata", {}).get("f:annotations", {}):
            return str(entry["manager"]), str(entry.get("time", ""))
    return "somebody", ""
