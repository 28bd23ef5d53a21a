"""Logs: one JSON object a line, with trace ids, and texts redacted."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from opentelemetry import trace

TEXT_FIELDS: Final = frozenset({"text", "text_pair", "texts"})
"""Fields that hold what users wrote; only their length is logged."""


class JsonFormatter(logging.Formatter):
    """Formats a record as JSON.

    Further fields are passed as ``extra={"fields": {...}}``; ``static`` fields stand in every line.
    """

    def __init__(self, static: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._static = dict(static or {})

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as one line of JSON."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._static,
            **trace_fields(),
            **redacted(getattr(record, "fields", {})),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str, option=orjson.OPT_NON_STR_KEYS).decode()


def trace_fields() -> dict[str, str]:
    """Return the ids of the current trace and span, or nothing outside of one."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
    }


def redacted(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``fields`` with texts replaced by how long they are."""
    return {name: _length(value) if name in TEXT_FIELDS else value for name, value in fields.items()}


def config(level: str, static: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return a `logging.config.dictConfig` that writes JSON lines to stderr."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": JsonFormatter, "static": dict(static or {})}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {
            "gunicorn.error": {"level": level.upper(), "handlers": ["stderr"], "propagate": False},
            # The pod writes its own line for each request, with more in it.
            "gunicorn.access": {"level": "CRITICAL", "handlers": [], "propagate": False},
        },
    }


def _length(value: object) -> str:
    texts = value if isinstance(value, list | tuple) else [value]
    return f"[redacted, {sum(len(str(text)) for text in texts)} characters]"
