import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from canary.errors import ControllerGone, NoController, NoRollout, StoreCorrupt, WaitedTooLong
from canary.judge.statistics import add
from canary.local.client import Client
from canary.local.inbox import Inbox
from canary.local.store import STATE, FileStore
from canary.rollout.commands import Answer, Order, Start
from canary.rollout.state import SCHEMA, State
from tests.canary.fakes import Stage

WRITER = """
import sys
from pathlib import Path
from canary.rollout.state import State
from canary.local.store import FileStore
store = FileStore(Path(sys.argv[1]))
number = 0
while True:
    number += 1
    store.save(State(stable="x" * 20000, entries=number))
    print(number, flush=True)
"""


def order(command_id: str = "a", at: float = 1.0) -> Order:
    return Order(command_id, "ann", at, "pause")


def test_a_state_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    stage = Stage()
    stage.start()
    stage.run(25)
    store = FileStore(tmp_path)
    store.save(stage.state)
    assert store.load() == stage.state


def test_a_store_that_was_never_used_holds_nothing(tmp_path: Path) -> None:
    assert FileStore(tmp_path / "new").load() is None


@given(st.lists(st.floats(-1e300, 1e300), min_size=6, max_size=6))
def test_numbers_come_back_exactly(logs: list[float]) -> None:
    stage = Stage()
    stage.start()
    stage.run(3)
    ledger = stage.state.ledger
    assert ledger is not None
    known = ledger.metrics[0]
    odd = replace(known, whole=replace(known.whole, harm=add((), logs)))
    state = replace(stage.state, ledger=replace(ledger, metrics=(odd, *ledger.metrics[1:])))
    assert STATE.validate_json(STATE.dump_json(state)) == state


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"stable": 3}', '{"stable": "1.0", "rollout": {"id": "x"}}']
)
def test_a_corrupt_file_is_kept_and_reported(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match=r"a copy is kept as .*state\.corrupt-"):
            FileStore(tmp_path).load()
    copies = list(tmp_path.glob("state.corrupt-*.json"))
    assert [copy.read_text(encoding="utf-8") for copy in copies] == [text]


def test_a_state_of_a_later_release_is_not_misread(tmp_path: Path) -> None:
    FileStore(tmp_path).save(State(stable="1.0", schema=SCHEMA + 1))
    with pytest.raises(StoreCorrupt, match=f"schema {SCHEMA + 1}, this is {SCHEMA}"):
        FileStore(tmp_path).load()


def test_a_writer_that_is_killed_leaves_a_whole_file_that_is_never_older_than_what_it_confirmed(
    tmp_path: Path,
) -> None:
    for pause_s in (0.0, 0.003, 0.011, 0.029, 0.05):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
        )
        try:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(pause_s)
            writer.send_signal(signal.SIGKILL)
            confirmed = [int(line) for line in writer.stdout if line.endswith("\n")]
        finally:
            writer.kill()
            writer.wait()
        state = FileStore(tmp_path).load()
        assert state is not None
        assert state.entries >= max(confirmed, default=1)


def test_commands_come_in_the_order_of_their_times(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    inbox.put(order("b", 20.0))
    inbox.put(Start("a", "ann", 3.5, "1.1", steps=(5, 50)))
    assert FileStore(tmp_path).commands() == [Start("a", "ann", 3.5, "1.1", steps=(5, 50)), order("b", 20.0)]


def test_a_command_stays_until_it_is_answered_and_is_then_gone(tmp_path: Path) -> None:
    inbox, store = Inbox(tmp_path), FileStore(tmp_path)
    inbox.put(order())
    assert store.commands() == FileStore(tmp_path).commands() == [order()]
    store.answer(Answer("a", ok=True, message="done"))
    assert store.commands() == []
    assert inbox.collect("a") == Answer("a", ok=True, message="done")
    assert inbox.collect("a") is None


def test_a_command_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "1.0-odd.json").write_text('{"verb": "explode"}', encoding="utf-8")
    assert FileStore(tmp_path).commands() == []
    answer = Inbox(tmp_path).collect("odd")
    assert answer is not None
    assert not answer.ok
    assert FileStore(tmp_path).commands() == []


def test_answers_that_nobody_collects_do_not_pile_up(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path)
    for number in range(130):
        inbox.answer(Answer(str(number), ok=True, message=""))
    assert len(list((tmp_path / "answers").iterdir())) <= 101


class Time:
    """A clock that sleeping moves; ``then`` happens at the first sleep."""

    def __init__(self, then: object = None) -> None:
        self.seconds = 0.0
        self.then = then

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        if callable(self.then):
            self.then()


def client(folder: Path, clock: Time) -> Client:
    return Client(folder, now=clock.now, sleep=clock.sleep)


def test_without_a_controller_a_command_is_taken_back(tmp_path: Path) -> None:
    with pytest.raises(NoController, match="the command was taken back"):
        client(tmp_path, Time()).send(order())
    assert FileStore(tmp_path).commands() == []


def test_a_command_that_was_begun_is_not_called_taken_back(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with pytest.raises(NoController, match="it was begun and may still take effect"):
        client(tmp_path, Time(store.commands)).send(order())


def test_a_client_gets_the_answer(tmp_path: Path) -> None:
    store = FileStore(tmp_path)

    def controller() -> None:
        for command in store.commands():
            store.answer(Answer(command.id, ok=False, message="no"))

    assert client(tmp_path, Time(controller)).send(order()) == Answer("a", ok=False, message="no")


def test_a_sign_of_life_grows_old(tmp_path: Path) -> None:
    clock = Time()
    FileStore(tmp_path).beat(0.0)
    seen = client(tmp_path, clock).status()["controller"]
    assert seen["alive"]
    clock.seconds = 6.0
    assert not client(tmp_path, clock).status()["controller"]["alive"]


def test_following_ends_with_the_rollout(tmp_path: Path) -> None:
    stage = Stage()
    stage.start()
    stage.run()
    FileStore(tmp_path).save(stage.state)
    assert [seen["rollout"]["phase"] for seen in client(tmp_path, Time()).follow()] == ["Promoted"]


def test_following_a_dead_controller_ends_with_a_sentence(tmp_path: Path) -> None:
    stage = Stage()
    stage.start()
    FileStore(tmp_path).save(stage.state)
    with pytest.raises(ControllerGone, match="no sign of life"):
        list(client(tmp_path, Time()).follow())
    with pytest.raises(WaitedTooLong, match="the rollout is Warming after 7 s"):
        list(client(tmp_path, Time()).follow(7))


def test_without_a_rollout_there_is_nothing_to_follow(tmp_path: Path) -> None:
    with pytest.raises(NoRollout, match="nothing to follow"):
        next(client(tmp_path, Time()).follow())
