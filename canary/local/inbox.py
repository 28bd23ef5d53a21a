"""Commands and answers as files: one folder each, a file a command.

A command is written to ``inbox``; the controller claims it by moving it to ``claimed``, and once its effect
is stored, writes ``answers/<id>.json`` and removes it. Whoever moves or removes a file first has it, so a
command that nobody claimed can be taken back.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from canary.rollout.commands import Command, OrderResult
from modelstore.files import write_whole

COMMAND: Final = TypeAdapter[Command](Command)
ANSWER: Final = TypeAdapter(OrderResult)
KEEP_ANSWERS: Final = 100


@dataclass(frozen=True)
class Inbox:
    """The three folders under ``folder``."""

    folder: Path

    def put(self, command: Command) -> Path:
        """Leave a command and return its file; they are taken in the order of their times."""
        path = self.folder / "inbox" / f"{command.at:017.6f}-{command.id}.json"
        write_whole(path, COMMAND.dump_json(command), durable=True)
        return path

    def take_back(self, path: Path) -> bool:
        """Remove a command, if nobody has claimed it yet."""
        try:
            path.unlink()
        except FileNotFoundError:
            return False
        return True

    def claim(self) -> Sequence[Command]:
        """Claim all commands, and return them with those that a former controller left unanswered."""
        claimed = self.folder / "claimed"
        claimed.mkdir(parents=True, exist_ok=True)
        for path in _files(self.folder / "inbox"):
            with suppress(FileNotFoundError):  # taken back just now
                path.rename(claimed / path.name)
        return [command for path in _files(claimed) if (command := self._read(path)) is not None]

    def answer(self, answer: OrderResult) -> None:
        """Write an answer, then let go of its command."""
        write_whole(self._answer_file(answer.id), ANSWER.dump_json(answer))
        for path in (self.folder / "claimed").glob(f"*-{answer.id}.json"):
            path.unlink(missing_ok=True)
        answers = sorted((self.folder / "answers").glob("*.json"), key=lambda path: path.stat().st_mtime)
        for old in answers[:-KEEP_ANSWERS]:  # those whose sender did not wait for them
            old.unlink(missing_ok=True)

    def collect(self, command_id: str) -> OrderResult | None:
        """Return the answer to a command and remove it, or None while there is none."""
        path = self._answer_file(command_id)
        try:
            answer = ANSWER.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        path.unlink(missing_ok=True)
        return answer

    def _answer_file(self, command_id: str) -> Path:
        return self.folder / "answers" / f"{command_id}.json"

    def _read(self, path: Path) -> Command | None:
        try:
            return COMMAND.validate_json(path.read_bytes())
        except ValidationError as error:
            command_id = path.stem.partition("-")[2]
            why = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
            self.answer(OrderResult(command_id, ok=False, message=f"the command cannot be read: {why}"))
            path.unlink(missing_ok=True)
            return None


def _files(folder: Path) -> list[Path]:
    """Return the finished files: unfinished ones begin with a dot, and `glob` leaves these out."""
    return sorted(path for path in folder.glob("*.json") if not path.name.startswith("."))
