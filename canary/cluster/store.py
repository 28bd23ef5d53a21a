"""Rollout state in the status of a ModelRollout.

The judge's memory is one compressed text, so that the API server's merging cannot mix two of them, and so
that floating-point numbers come back exactly. A write replaces the whole status of the resourceVersion that
was read: whoever comes second with an old one stores nothing.
"""

import base64
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from canary.cluster.annotation import COMMAND
from canary.cluster.by_hand import Override
from canary.cluster.errors import StateTooLarge, StatusConflict
from canary.errors import CanaryError
from canary.resource.status import HISTORY_KEPT
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import SCHEMA, State
from mesh.cluster.api import MERGE, ClusterApi, path_of

STATE: Final = TypeAdapter(State)
MAX_BYTES: Final = 512 * 1024
"""etcd takes 1.5 MiB an object; the API server and its watchers are spared the rest."""
CONFLICT, NOT_FOUND = 409, 404

Document = dict[str, Any]


@dataclass(frozen=True)
class Notes:
    """What the operator must remember beside the core's state.

    ``asked`` is the canary that the spec asked for last and that was begun: an ended rollout is not begun
    again. ``rollouts`` is how many had been begun then. ``stable`` is the stable version that the spec named
    when that was obeyed last. ``suspended`` says that the present pause is due to spec.suspend. ``spec`` is
    the last good spec, with what people ordered; ``by_hand`` is what they ordered, by the spec's fields.
    """

    stable: str = ""
    asked: str | None = None
    rollouts: int = 0
    suspended: bool = False
    spec: Mapping[str, Any] | None = None
    by_hand: Mapping[str, Override] = field(default_factory=dict)


NOTES: Final = TypeAdapter(Notes)


class StatusCorrupt(CanaryError):
    """A stored state that cannot be read."""

    def __init__(self, name: str, seen: str) -> None:
        super().__init__(
            f"status.judge of ModelRollout {name} holds no rollout state ({seen}): traffic stays as it is; "
            "put back a good one, or delete the ModelRollout and create it again"
        )


def encode(state: State, notes: Notes) -> Document:
    """Return ``status.judge``.

    Raises:
        StateTooLarge: it would not be stored.
    """
    short = replace(state, history=state.history[-HISTORY_KEPT:])
    text = base64.b64encode(zlib.compress(STATE.dump_json(short), 6)).decode()
    if len(text) > MAX_BYTES:
        raise StateTooLarge(len(text), MAX_BYTES)
    return {"schema": SCHEMA, "encoding": "zlib+base64", "state": text, "notes": json.dumps(asdict(notes))}


def decode(name: str, judge: Mapping[str, Any]) -> tuple[State, Notes]:
    """Return what `encode` was given.

    Raises:
        StatusCorrupt: it is something else.
    """
    try:
        if judge["schema"] != SCHEMA:
            raise StatusCorrupt(name, f"schema {judge['schema']}, this is {SCHEMA}")
        state = STATE.validate_json(zlib.decompress(base64.b64decode(judge["state"])))
        return state, NOTES.validate_json(judge["notes"])
    except (KeyError, TypeError, ValueError, zlib.error, ValidationError) as error:
        raise StatusCorrupt(name, f"{type(error).__name__}: {error}"[:200]) from error


@dataclass(eq=False)
class StatusStore:
    """The store of one ModelRollout; ``document`` is the resource as it was read or written last.

    ``describe`` makes the rest of the status out of a state. ``inbox`` is filled by whoever drives the
    controller; ``annotated`` is the id of the command that stands in the annotation.
    """

    api: ClusterApi
    document: Document
    first: tuple[State, Notes]
    describe: Callable[[State], Mapping[str, Any]]
    learn: Callable[[State, Notes], Notes]
    inbox: list[Command] = field(default_factory=list)
    annotated: str = ""

    def __post_init__(self) -> None:
        judge = self.document.get("status", {}).get("judge")
        self._kept, self.notes = decode(self.name, judge) if judge else self.first

    @property
    def name(self) -> str:
        """Namespace and name."""
        metadata = self.document["metadata"]
        return f"{metadata['namespace']}/{metadata['name']}"

    @property
    def judge(self) -> object:
        """What is stored of the judge."""
        return self.document.get("status", {}).get("judge")

    def load(self) -> State:
        """Return the state that was saved last, or the first one."""
        return self._kept

    def save(self, state: State) -> None:
        """Keep a state, with everything that people read of it.

        Raises:
            StatusConflict: the resource is not what was read; nothing was stored.
            StateTooLarge: it cannot be stored.
            ClusterError: the API is down or refuses.
        """
        notes = self.learn(state, self.notes)
        status = {**self.describe(state), "judge": encode(state, notes)}
        self.document = put_status(self.api, self.document, status)
        self.notes, self._kept = notes, state

    def refresh(self, state: State) -> None:
        """Write the status if it would say something new of the same state."""
        seen = {key: value for key, value in self.document.get("status", {}).items() if key != "judge"}
        if seen != dict(self.describe(state)) or self.learn(state, self.notes) != self.notes:
            self.save(state)

    def commands(self) -> Sequence[Command]:
        """Return the commands that wait for an answer."""
        return list(self.inbox)

    def answer(self, answer: OrderResult) -> None:
        """Take a command out of the inbox; its answer has been stored with the state already."""
        self.inbox = [command for command in self.inbox if command.id != answer.id]
        if answer.id == self.annotated:
            self.clear()

    def clear(self) -> None:
        """Take the command's annotation away."""
        version = self.document["metadata"]["resourceVersion"]
        patch = {"metadata": {"resourceVersion": version, "annotations": {COMMAND: None}}}
        self.document = _write(self.api, self.document, "PATCH", "", patch)
        self.annotated = ""

    def beat(self, now: float) -> None:
        """Do nothing: the Lease is the sign of life."""
        del now


def put_status(api: ClusterApi, document: Document, status: Mapping[str, Any]) -> Document:
    """Replace the status of a resource as it was read, and return the resource.

    Raises:
        StatusConflict: the resource is not what was read; nothing was stored.
        ClusterError: the API is down or refuses.
    """
    return _write(api, document, "PUT", "/status", {**document, "status": dict(status)})


def _write(api: ClusterApi, about: Document, method: str, subresource: str, body: Document) -> Document:
    name = f"{about['metadata']['namespace']}/{about['metadata']['name']}"
    kind = MERGE if method == "PATCH" else "application/json"
    query = {"fieldManager": "bertmesh-controller"}
    answer = api.request(method, path_of(about) + subresource, query=query, body=body, content_type=kind)
    if answer.code in {CONFLICT, NOT_FOUND}:
        raise StatusConflict(name)
    advice = "give the controller's Role update on modelrollouts/status and patch on modelrollouts"
    return answer.checked(f"write ModelRollout {name}", advice)
