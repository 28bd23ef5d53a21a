import json
import logging
import logging.config
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider

from observability.logs import JsonFormatter, config, redacted


def line(message: str = "request", **fields: object) -> dict[str, object]:
    record = logging.LogRecord("service", logging.INFO, __file__, 1, message, None, None)
    record.fields = fields
    parsed: dict[str, object] = json.loads(JsonFormatter({"pod": "bert-1"}).format(record))
    return parsed


def test_a_record_is_one_line_of_json_with_its_fields() -> None:
    seen = line("早上好\n", status=200)
    assert (seen["message"], seen["status"], seen["pod"], seen["level"]) == (
        "早上好\n",
        200,
        "bert-1",
        "info",
    )
    assert str(seen["time"]).endswith("+00:00")


def test_inside_a_span_the_line_carries_its_ids() -> None:
    assert "trace_id" not in line()
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        assert line()["trace_id"] == f"{span.get_span_context().trace_id:032x}"
        assert line()["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_texts_are_never_logged_only_how_long_they_are() -> None:
    text = "我的病历"
    seen = redacted({"text": text, "text_pair": text, "texts": [text, text], "status": 200})
    assert text not in str(seen)
    assert seen["texts"] == "[redacted, 8 characters]"
    assert seen["status"] == 200


def test_a_traceback_stays_in_its_line() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        record = logging.LogRecord("service", logging.ERROR, __file__, 1, "failed", None, sys.exc_info())
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ZeroDivisionError" in json.loads(text)["traceback"]


def test_the_configuration_writes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.level, root.handlers[:])
    try:
        logging.config.dictConfig(config("info", {"pod": "bert-1"}))
        logging.getLogger("service").info("hello")
    finally:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
    assert json.loads(capsys.readouterr().err)["message"] == "hello"
