"""Answers to what never became a request."""

import json
import logging

import pytest
from gunicorn.http.errors import InvalidChunkSize

from service.http.refusals import refusal


def document(answer: bytes) -> dict[str, object]:
    """Return the body of an answer that says how long it is."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"\r\nContent-Length: %d\r\n" % len(body) in head
    found: dict[str, object] = json.loads(body)
    return found


def test_what_nobody_foresaw_is_told_without_its_cause_which_the_log_has(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        slug, answer = refusal(ValueError("a secret"), "")
    assert slug == "internal"
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n")
    assert b"secret" not in answer
    assert "instance" not in document(answer)
    assert [str(record.exc_info and record.exc_info[1]) for record in caplog.records] == ["a secret"]


def test_what_came_in_its_place_is_shown_but_not_all_of_it() -> None:
    _, answer = refusal(InvalidChunkSize(b"Z" * 5000), "/v1/%E4%B8%AD")
    told = document(answer)
    assert str(told["detail"]).startswith("Invalid chunk size: b'ZZ")
    assert len(str(told["detail"])) < 400
    assert told["instance"] == "/v1/%E4%B8%AD"
    assert told["error"]["code"] == "malformed-request"  # type: ignore[index] # the object of OpenAI's clients
