"""One request and its answer, whatever the protocol: its id, deadline, headers, metrics and log line."""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from opentelemetry.propagate import extract, inject
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, get_current_span

from observability import names
from service.batching.deadline import HEADER as TIMEOUT_HEADER
from service.batching.deadline import Deadline
from service.cache.answers import CacheStatus
from service.pod.assembly import Pod
from service.pod.predict import Predicted, Predictor
from service.shadow.mirrored import AnswerObserver, MirroredRequest
from service.shadow.traces import subdued
from service.tasks.base import Query, Task

SERVER_ERROR = 500
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")

log = logging.getLogger("service.access")


@dataclass
class Exchange:
    """What is known of a request while it is answered."""

    pod: Pod
    method: str
    path: str
    started: float
    request_id: str
    mirrored: bool
    timeout: str | None
    shadowed: str = ""
    """The canary that a copy of this request may go to, or that this copy is for."""
    traced: bool = True
    """Whether anybody keeps its spans, or has sent a trace to go on with."""
    task: str = "other"
    cache: CacheStatus | None = None
    problem: str | None = None
    prediction_id: str | None = None

    @classmethod
    def arriving(cls, pod: Pod, headers: Mapping[str, str], *, method: str, path: str) -> Self:
        """Begin with a request's headers, whose names are looked up in lower case."""
        sent = headers.get(names.REQUEST_ID_HEADER, "")
        chosen = headers.get(names.ROUTE_HEADER)
        return cls(
            pod=pod,
            method=method,
            path=path,
            started=pod.clock(),
            request_id=sent if _REQUEST_ID.fullmatch(sent) else str(uuid4()),
            # The route chose another version: then this pod holds a shadow copy.
            mirrored=bool(chosen) and chosen != pod.deployed,
            timeout=headers.get(TIMEOUT_HEADER.lower()),
            shadowed=headers.get(names.SHADOW_HEADER, ""),
            traced=pod.telemetry.exports or "traceparent" in headers,
        )

    @property
    def route(self) -> str:
        """Whether this is a client's request or its shadow."""
        return "mirror" if self.mirrored else "primary"

    def span(
        self, name: str, headers: Mapping[str, str], attributes: Mapping[str, str | int]
    ) -> AbstractContextManager[Span]:
        """Return the request's span, in the trace that its headers are of."""
        context = extract(headers)
        return self.pod.tracer.start_as_current_span(
            name,
            context=subdued(context) if self.mirrored else context,
            kind=SpanKind.SERVER,
            attributes={
                **attributes,
                "bertmesh.model.version": self.pod.version,
                "bertmesh.mirrored": self.mirrored,
            },
        )

    def begin(self, task: str) -> Predictor:
        """Note what is asked for and return what answers.

        Raises:
            NotReady: The model is not loaded yet.
        """
        self.task = task
        self.cache = CacheStatus.BYPASS if self.pod.cache else CacheStatus.OFF
        return self.pod.predictor

    def ask(self, predictor: Predictor, task: Task, queries: Sequence[Query]) -> Predicted:
        """Answer the queries before the request's deadline.

        Raises:
            InvalidHeader: The deadline is no number.
            ServiceError: See `Predictor.predict`.
        """
        deadline = Deadline.starting(self.pod.clock, self.started, predictor.timeout_s, self.timeout)
        witness = self._witness(task, queries)
        try:
            outcome = predictor.predict(task, queries, deadline, mirrored=self.mirrored)
        except Exception as error:
            if witness and getattr(error, "status", SERVER_ERROR) >= SERVER_ERROR:
                witness.failed()
            raise
        if witness:
            witness.answered(outcome.answers)
        self.cache = outcome.cache
        self.prediction_id = str(uuid4())
        self._count_confidence(outcome)
        return outcome

    def _witness(self, task: Task, queries: Sequence[Query]) -> AnswerObserver | None:
        """Return who is to be told of the answers: somebody only while the route has requests copied."""
        if not self.shadowed or self.pod.shadow is None:
            return None
        trace_id = get_current_span().get_span_context().trace_id
        asked = MirroredRequest(
            request_id=self.request_id,
            canary=self.shadowed,
            mirrored=self.mirrored,
            trace_id=f"{trace_id:032x}" if trace_id else "",
            task=task,
            queries=queries,
        )
        return self.pod.shadow.witness(asked, self.pod.deployed)

    def _count_confidence(self, outcome: Predicted) -> None:
        """Count sure and unsure answers under the version that the judge knows this pod by.

        One that was kept, or that another request computed, was counted then.
        """
        flags = [flag for answer in outcome.computed for flag in answer.unsure]
        if not flags:
            return
        labels = (self.route, self.pod.deployed)
        self.pod.metrics.answers.labels(*labels).inc(len(flags))
        self.pod.metrics.low_confidence.labels(*labels).inc(sum(flags))

    def headers(self) -> dict[str, str]:
        """Return the headers that every answer carries; call it inside the request's span."""
        headers = {names.REQUEST_ID_HEADER: self.request_id}
        if self.pod.version:
            headers[names.VERSION_HEADER] = self.pod.version
        if self.cache:
            headers[names.CACHE_HEADER] = self.cache.value
        if self.traced:
            inject(headers)
        return headers

    def record(self, status: int) -> None:
        """Write the request into the span, the metrics and the log; ``status`` as in HTTP."""
        span = get_current_span()
        span.set_attribute("http.response.status_code", status)
        if status >= SERVER_ERROR:
            span.set_attribute("error.type", str(status))
            span.set_status(Status(StatusCode.ERROR))
        cache = self.cache.value if self.cache else ""
        seconds = self.pod.clock() - self.started
        metrics, version = self.pod.metrics, self.pod.version
        metrics.requests.labels(self.task, str(status), cache, self.route, version).inc()
        metrics.duration.labels(self.task, self.route, version).observe(seconds, _exemplar(span))
        if self.problem:
            metrics.rejected.labels(self.problem).inc()
        if log.isEnabledFor(logging.INFO):
            self._log(status, seconds, cache, version)

    def _log(self, status: int, seconds: float, cache: str, version: str) -> None:
        fields = {
            "method": self.method,
            "path": self.path,
            "status": status,
            "ms": round(seconds * 1000, 2),
            "cache": cache,
            "route": self.route,
            "model_version": version,
            "request_id": self.request_id,
            "prediction_id": self.prediction_id,
            "problem": self.problem,
        }
        log.info("request", extra={"fields": {name: value for name, value in fields.items() if value}})


def _exemplar(span: Span) -> dict[str, str] | None:
    context = span.get_span_context()
    return {"trace_id": f"{context.trace_id:032x}"} if context.trace_flags.sampled else None
