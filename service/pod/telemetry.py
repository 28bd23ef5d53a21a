"""Spans and measurements of what happens between a request's thread and the engine's."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass

from opentelemetry.context import Context, get_current
from opentelemetry.trace import Link, NoOpTracer, Span, SpanKind, Tracer, get_current_span, use_span

from observability import names
from service.cache.answers import CacheStatus
from service.pod.metrics import Metrics
from service.shadow.traces import subdued


@dataclass(frozen=True)
class Waiting:
    """A request in the queue: the context of its thread, and the span of its wait."""

    context: Context
    span: Span

    @property
    def link(self) -> Link:
        """A link to the request's span."""
        return Link(get_current_span(self.context).get_span_context())

    @property
    def recorded(self) -> bool:
        """Whether its trace is kept, or it has none that could say."""
        request = get_current_span(self.context).get_span_context()
        return request.trace_flags.sampled or not request.is_valid

    def end(self) -> None:
        """End the wait; a request whose texts fall into several batches comes here more than once."""
        if self.span.is_recording():
            self.span.end()


class Telemetry:
    """Observes the batcher and the cache.

    A batch belongs to many requests, so its span is a root of its own, linked to every request's
    span. Each request's trace gets a queue span and an engine span, which links to the batch.
    """

    def __init__(self, tracer: Tracer, metrics: Metrics, clock: Callable[[], float]) -> None:
        self._tracer = tracer
        self._metrics = metrics
        self._clock = clock

    def queued(self) -> Waiting:
        """Begin a queue span in the current trace."""
        return Waiting(get_current(), self._tracer.start_span(names.SPAN_QUEUE))

    def dropped(self, ticket: Waiting) -> None:
        """End the queue span of a request that is not computed."""
        ticket.span.set_attribute("error.type", "dropped")
        ticket.end()

    @contextmanager
    def computing(self, tickets: Sequence[Waiting], tokens: int) -> Iterator[None]:
        """Surround one batch with its span and an engine span for each request in it."""
        for ticket in tickets:
            ticket.end()
        attributes = {"bertmesh.batch.requests": len(tickets), "bertmesh.batch.tokens": tokens}
        with ExitStack() as stack:
            links = [ticket.link for ticket in tickets]
            root = Context() if any(ticket.recorded for ticket in tickets) else subdued(Context())
            batch = self._tracer.start_span(names.SPAN_BATCH, root, links=links, attributes=attributes)
            stack.enter_context(use_span(batch, end_on_exit=True))
            link = Link(batch.get_span_context(), attributes)
            for ticket in tickets:
                engine = self._tracer.start_span(names.SPAN_ENGINE, ticket.context, links=[link])
                stack.enter_context(use_span(engine, end_on_exit=True))
            started = self._clock()
            yield
            self._measure(len(tickets), tokens, self._clock() - started)

    def looked_up(self, status: CacheStatus, answers: int) -> None:
        """Count answers that were looked up."""
        self._metrics.lookups.labels(status.value).inc(answers)

    @property
    def exports(self) -> bool:
        """Whether anybody keeps the spans."""
        return not isinstance(self._tracer, NoOpTracer)

    def calling(self, operation: str) -> AbstractContextManager[object]:
        """Surround one call to the cache with a span in Redis' terms."""
        if not self.exports:
            return nullcontext()
        attributes = {"db.system.name": "redis", "db.operation.name": operation}
        return self._tracer.start_as_current_span(
            names.SPAN_CACHE, kind=SpanKind.CLIENT, attributes=attributes
        )

    def _measure(self, requests: int, tokens: int, seconds: float) -> None:
        self._metrics.batch_requests.observe(requests)
        self._metrics.batch_tokens.observe(tokens)
        self._metrics.inference.observe(seconds)
