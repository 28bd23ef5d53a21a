import pytest
from opentelemetry import trace

from observability.telemetry import exporting, shut_down, tracer_provider


@pytest.mark.parametrize(
    ("env", "expected"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_spans_leave_only_where_a_collector_is_configured(env: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a table's column
    assert exporting(env) is expected


def test_without_a_collector_spans_cost_nothing_and_record_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OTEL_EXPORTER_OTLP_ENDPOINT", raising=False)
    provider = tracer_provider("test", {})
    assert isinstance(provider, trace.NoOpTracerProvider)
    assert not provider.get_tracer("test").start_span("x").is_recording()
    shut_down(provider)
