"""A disagreement as it is kept for people to look at: bounded, and without the request's text by default."""

import hashlib
from typing import Final

import orjson

from service.shadow.redis import Example
from service.tasks.agreement import Agreement
from service.tasks.base import Query

MAX_TEXT: Final = 300
MAX_ANSWER: Final = 300
MAX_ID: Final = 128


def about(query: Query) -> str:
    """Return what may always be said of a question: its length, and a digest to find it again by."""
    text = "\n".join(query.texts)
    digest = hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{len(text)} characters, sha256 {digest}"


def text_of(query: Query) -> str:
    """Return the question itself, cut."""
    return _cut(" | ".join(query.texts), MAX_TEXT)


def example(  # noqa: PLR0913 - what it consists of
    agreement: Agreement,
    *,
    at: float,
    versions: tuple[str, str],
    task: str,
    answers: tuple[str, str],
    query: Query,
    request_id: str,
    trace_id: str,
    pod: str,
    texts: bool,
) -> Example:
    """Return a disagreement to be kept; both pairs name the stable first. ``at`` is Unix seconds.

    The time comes first: among equally severe examples Redis then sorts by it.
    """
    document = {
        "at": round(at, 3),
        "stable": versions[0],
        "canary": versions[1],
        "task": task,
        "severity": agreement.severity,
        "sentence": _cut(agreement.sentence, MAX_ANSWER),
        "stable_answer": _cut(answers[0], MAX_ANSWER),
        "canary_answer": _cut(answers[1], MAX_ANSWER),
        "request_id": request_id[:MAX_ID],
        "trace_id": trace_id,
        "pod": pod,
        "about": about(query),
        "text": text_of(query) if texts else "",
    }
    return Example(agreement.severity, orjson.dumps(document))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
