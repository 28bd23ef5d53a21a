"""Spans of mirrored requests: few, so that copies do not flood whoever collects traces.

A route cannot be told everywhere not to trace its copies (Envoy can, Istio's VirtualService cannot), so the
pods see to it: a copy goes on with the trace of its request, and most copies do so without recording.
"""

import uuid
from typing import Final

from opentelemetry.context import Context
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)

KEPT_OF: Final = 100
"""One copy of so many is recorded, where its request is."""
_SPAN_BITS: Final = 64


def subdued(context: Context) -> Context:
    """Return the context for a copy whose request was traced in ``context``."""
    parent = get_current_span(context).get_span_context()
    if parent.is_valid and parent.trace_id % KEPT_OF == 0:
        return context
    trace_id = parent.trace_id if parent.is_valid else uuid.uuid4().int
    span_id = parent.span_id if parent.is_valid else trace_id >> _SPAN_BITS
    silent = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.DEFAULT))
    return set_span_in_context(NonRecordingSpan(silent), context)
