"""Rollout state in a folder of the local home.

``state.json`` holds everything in one piece. Floating-point numbers are written so that they come back
exactly, because evidence must be the same after a restart.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from canary.errors import StoreCorrupt
from canary.local.inbox import Inbox
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import SCHEMA, State
from modelstore.files import write_whole

STATE: Final = TypeAdapter(State)


class FileStore:
    """Keeps the state, takes commands, leaves signs of life; one controller writes, anybody may read."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "state.json"
        self._inbox = Inbox(folder)

    def load(self) -> State | None:
        """Return the state that was saved last, or None.

        Raises:
            StoreCorrupt: the file cannot be read; a copy of it is kept.
        """
        try:
            data = self._file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            state = STATE.validate_json(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise StoreCorrupt(self._file, self._keep(data), f"{where}: {first['msg']}") from error
        if state.schema != SCHEMA:
            raise StoreCorrupt(self._file, self._keep(data), f"schema {state.schema}, this is {SCHEMA}")
        return state

    def save(self, state: State) -> None:
        """Keep a state; when this returns, it survives a crash of the machine."""
        write_whole(self._file, STATE.dump_json(state), durable=True)

    def commands(self) -> Sequence[Command]:
        """Return the commands that wait for an answer, oldest first."""
        return self._inbox.claim()

    def answer(self, answer: OrderResult) -> None:
        """Answer a command and take it out of the inbox."""
        self._inbox.answer(answer)

    def beat(self, now: float) -> None:
        """Leave a sign of life; losing one in a crash is no loss."""
        write_whole(self._alive, json.dumps({"pid": os.getpid(), "at": now}).encode())

    def last_beat(self) -> Mapping[str, Any] | None:
        """Return the last sign of life: ``pid`` and ``at`` (Unix seconds)."""
        try:
            beat: Mapping[str, Any] = json.loads(self._alive.read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return beat

    @property
    def _alive(self) -> Path:
        return self.folder / "alive.json"

    def _keep(self, data: bytes) -> Path:
        """Keep a copy under a name made from its content, so that restarts do not pile up copies."""
        kept = self.folder / f"state.corrupt-{hashlib.sha256(data).hexdigest()[:8]}.json"
        if not kept.exists():
            shutil.copyfile(self._file, kept)
        return kept
