"""Why a process ended, as its log says."""

from pathlib import Path

import pytest

from bertmesh.local.logs import last_words


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("", "it said nothing"),
        ("one\ntwo\n\n", "two"),
        ("Error: no such model\n", "no such model"),
        (
            '{"level": "critical", "message": "no tokenizer"}\n{"level":"info","message":"Shutting down"}\n',
            "no tokenizer",
        ),
        ('{"level":"info","message":"Listening"}\n', "Listening"),
    ],
)
def test_the_last_words_are_the_critical_line_or_else_the_last_one(
    tmp_path: Path, log: str, words: str
) -> None:
    (tmp_path / "log").write_text(log, encoding="utf-8")
    assert last_words(tmp_path / "log") == words


def test_a_log_that_was_never_written_says_nothing(tmp_path: Path) -> None:
    assert last_words(tmp_path / "log") == "it said nothing"
