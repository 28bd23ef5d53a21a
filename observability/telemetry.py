"""OpenTelemetry set-up: spans leave the process only where a collector is configured."""

import os
from collections.abc import Mapping

from opentelemetry import trace
from opentelemetry.trace import TracerProvider

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


def exporting(env: Mapping[str, str]) -> bool:
    """Tell whether a collector is configured and the SDK is not disabled (standard variables)."""
    disabled = env.get("OTEL_SDK_DISABLED", "").lower() == "true"
    return not disabled and any(env.get(name) for name in ENDPOINTS)


def tracer_provider(service: str, attributes: Mapping[str, str]) -> TracerProvider:
    """Return a provider that exports by OTLP over HTTP, or does nothing where no collector is configured.

    Sampling, headers, timeouts and so on follow OpenTelemetry's own environment variables. Trace
    context is propagated and logged in both cases.
    """
    if not exporting(os.environ):
        return trace.NoOpTracerProvider()
    # Imported here: the SDK and the exporter cost memory that a pod without a collector saves.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
    from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider  # noqa: PLC0415
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415

    provider = SdkTracerProvider(resource=Resource.create({"service.name": service, **attributes}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def shut_down(provider: TracerProvider) -> None:
    """Send what is left to send; harmless on a provider that does nothing."""
    shutdown = getattr(provider, "shutdown", None)
    if shutdown:
        shutdown()
