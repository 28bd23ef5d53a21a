"""HTTP as it comes over the wire, right and wrong: what is refused, is refused with its reason."""

import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPResponse
from pathlib import Path

import pytest
import urllib3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.pod.test_swap import models
from tests.service.server.test_gunicorn import Running, running_pod

__all__ = ["models"]  # a fixture
pytestmark = pytest.mark.slow

TRACE = b"traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n"
BODY = '{"text": "一[MASK]"}'.encode()
TASK, EMBED, MODELS, LIVE = b"POST /fill-mask", b"POST /v1/embeddings", b"GET /v1/models", b"GET /livez"


@dataclass(frozen=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: Message
    body: bytes
    ended: bool
    """Whether the pod closed the connection after it."""

    def problem(self) -> str:
        """Return the problem's type, after what all types begin with."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        document = json.loads(self.body)
        assert document["status"] == self.status
        assert document["request_id"] == self.headers["X-Request-ID"]
        assert {"title", "detail"} <= set(document)
        return str(document["type"]).removeprefix("urn:bertmesh:problem:")


def exchange(url: str, sent: bytes, *, half: bool = False) -> Answer:
    """Send bytes and return the answer; ``half`` says that nothing more will come."""
    address = urllib3.util.parse_url(url)
    with socket.create_connection((str(address.host), address.port or 0), timeout=20) as connection:
        connection.sendall(sent)
        if half:
            connection.shutdown(socket.SHUT_WR)
        response = HTTPResponse(connection, method=sent.split(b" ")[0].decode("latin-1"))
        response.begin()
        body = response.read()
        ended = bool(response.will_close) and connection.recv(1) == b""
        return Answer(response.status, response.headers, body, ended)


def request(line: bytes, headers: bytes = b"", body: bytes = b"", *, host: bytes = b"pod") -> bytes:
    return line + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + headers + b"\r\n" + body


def sized(line: bytes, body: bytes, size: int | None = None, headers: bytes = JSON) -> bytes:
    return request(line, headers + b"Content-Length: %d\r\n" % (len(body) if size is None else size), body)


@pytest.fixture(scope="module")
def pod(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running_pod(tiny, tmp_path_factory.mktemp("pod")) as pod:
        yield pod
        assert "Traceback" not in pod.child.log.read_text()


MALFORMED_BODIES = {
    "a chunk's size is no number": request(TASK, CHUNKED, b"ZZ\r\n{}\r\n0\r\n\r\n"),
    "the same under /v1": request(EMBED, CHUNKED, b"ZZ\r\n{}\r\n0\r\n\r\n"),
    "a chunk's size is negative": request(TASK, CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk has no end": request(TASK, CHUNKED, b"2\r\n{}XX0\r\n\r\n"),
    "a chunk's extension is wrong": request(TASK, CHUNKED, b"2;=\r\n{}\r\n0\r\n\r\n"),
    "a trailer is wrong": request(TASK, CHUNKED, b"2\r\n{}\r\n0\r\nno trailer\r\n\r\n"),
}
REFUSED_BY_GUNICORN = {
    "a length and chunks": (request(TASK, CHUNKED + b"Content-Length: 3\r\n", b"0\r\n\r\n"), 400),
    "two lengths": (request(TASK, JSON + b"Content-Length: 2\r\nContent-Length: 3\r\n", b"{}"), 400),
    "no HTTP": (b"GET /livez\r\n\r\n", 400),
    "TLS": (b"\x16\x03\x01\x02\x00\r\n\r\n", 400),
    "two types": (request(TASK, JSON + JSON + b"Content-Length: 2\r\n", b"{}"), 400),
    "a long line": (request(b"GET /" + b"a" * 9000), 414),
    "many headers": (request(LIVE, b"X: y\r\n" * 200), 431),
    "an unknown coding": (request(TASK, JSON + b"Transfer-Encoding: foo\r\n"), 501),
}
BODIES_REFUSED = {
    "a body cut off": (sized(TASK, BODY, 500), 408, "body-too-slow"),
    "a body cut off, under /v1": (sized(EMBED, b"{}", 60), 408, "body-too-slow"),
    "a chunk cut off": (request(TASK, CHUNKED, b"20\r\n{}"), 408, "body-too-slow"),
}


@pytest.mark.parametrize("sent", MALFORMED_BODIES.values(), ids=MALFORMED_BODIES)
def test_a_body_that_cannot_be_read_is_told_so_and_its_connection_ends(pod: Running, sent: bytes) -> None:
    answer = exchange(pod.url, sent, half=True)
    assert (answer.status, answer.problem()) == (400, "malformed-request")
    assert answer.ended


@pytest.mark.parametrize(("sent", "status"), REFUSED_BY_GUNICORN.values(), ids=REFUSED_BY_GUNICORN)
def test_what_is_no_request_is_refused_and_its_connection_ends(
    pod: Running, sent: bytes, status: int
) -> None:
    answer = exchange(pod.url, sent, half=True)
    assert answer.status == status
    assert answer.ended


@pytest.mark.parametrize(("sent", "status", "slug"), BODIES_REFUSED.values(), ids=BODIES_REFUSED)
def test_a_body_that_is_not_taken_is_told_why_and_its_connection_ends(
    pod: Running, sent: bytes, status: int, slug: str
) -> None:
    answer = exchange(pod.url, sent, half=True)
    assert (answer.status, answer.problem()) == (status, slug)
    assert answer.ended


@pytest.mark.parametrize(
    ("line", "headers", "host"),
    [
        (MODELS, TRACE, b"a:\xb2"),
        (MODELS, TRACE, b"a:" + b"9" * 5000),
        (LIVE, b"SCRIPT_NAME: /foo\r\n", b"pod"),
        (LIVE, b"SCRIPT_NAME: /livez\r\n", b"pod"),
        (b"GET /metrics", b"Accept: application/openmetrics-text; version=abc\r\n", b"pod"),
        (b"GET /metrics", b"Accept: application/openmetrics-text; version=1.x.0\r\n", b"pod"),
        (b"GET /metrics", b"Accept: application/openmetrics-text; version=\xb2.0.0\r\n", b"pod"),
        (b"GET /metrics", b"Accept: text/plain; version=x; escaping=zzz\r\n", b"pod"),
    ],
)
def test_odd_headers_that_nobody_needs_hinder_nobody(
    pod: Running, line: bytes, headers: bytes, host: bytes
) -> None:
    assert exchange(pod.url, request(line, headers, host=host)).status == 200


def test_a_large_body_of_the_wrong_type_is_told_so(pod: Running) -> None:
    answer = exchange(pod.url, sized(TASK, bytes(200_000), headers=b""))
    assert (answer.status, answer.problem()) == (415, "wrong-content-type")


@pytest.mark.parametrize("codings", [b"identity, chunked", b"Chunked"])
def test_a_body_in_chunks_is_read(pod: Running, codings: bytes) -> None:
    headers = JSON + TRACE + b"Transfer-Encoding: " + codings + b"\r\n"
    sent = request(TASK, headers, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY), host=b"a:\xb2")
    assert exchange(pod.url, sent).status == 200


def test_a_body_that_is_compressed_is_refused_with_what_is_taken(pod: Running) -> None:
    answer = exchange(pod.url, sized(TASK, BODY, headers=JSON + b"Content-Encoding: gzip\r\n"))
    assert (answer.status, answer.problem()) == (415, "wrong-content-encoding")
    assert answer.headers["Accept-Encoding"] == "identity"
    plain = exchange(pod.url, sized(TASK, BODY, headers=JSON + b"Content-Encoding: Identity\r\n"))
    assert plain.status == 200


def test_the_methods_of_a_path_are_told_alike_everywhere(pod: Running) -> None:
    for path in (b"/fill-mask", b"/v1/embeddings"):
        told = exchange(pod.url, request(b"OPTIONS " + path))
        assert (told.status, told.body, told.headers["Content-Type"]) == (200, b"", None)
        refused = exchange(pod.url, request(b"DELETE " + path))
        assert (refused.status, refused.problem()) == (405, "method-not-allowed")
        for answer in (told, refused):
            assert set(answer.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


def test_a_path_in_chinese_comes_back_as_it_was_meant(pod: Running) -> None:
    answer = exchange(pod.url, request(b"GET /v2/models/%E4%B8%AD"))
    assert answer.problem() == "unknown-model"
    assert json.loads(answer.body)["instance"] == "/v2/models/%E4%B8%AD"
    nowhere = exchange(pod.url, request(b"GET /%E4%B8%AD"))
    assert "there is nothing at /中;" in json.loads(nowhere.body)["detail"]
    assert exchange(pod.url, request(b"GET /%E4%B8%AD%00")).problem() == "path-not-plain"


def test_the_admin_port_changes_nothing_by_a_request_that_is_not_whole(
    tiny: Tiny, models: Path, tmp_path: Path
) -> None:
    port = free_port()
    admin, load = f"http://127.0.0.1:{port}", b"POST /v2/repository/models/tiny/load"
    wanted = b'{"parameters": {"version": "1.1"}}'
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(wanted), wanted)
    with running_pod(
        tiny, tmp_path, MODEL="tiny:1.0", MODELS_DIR=str(models), ADMIN_BIND=f"127.0.0.1:{port}"
    ) as pod:
        cut_off = exchange(admin, sized(load, b"{}", 60), half=True)
        assert (cut_off.status, cut_off.problem()) == (408, "body-too-slow")
        undeclared = exchange(admin, request(load, b"Transfer-Encoding: chunked\r\n", chunks))
        assert (undeclared.status, undeclared.problem()) == (415, "wrong-content-type")
        assert pod.fill().headers["x-model-version"] == "1.0"
        assert exchange(admin, request(load, CHUNKED, chunks)).status == 200
        assert pod.fill().headers["x-model-version"] == "1.1"
        assert "Traceback" not in pod.child.log.read_text()


NAMES = (
    "Host",
    "Accept",
    "traceparent",
    "tracestate",
    "baggage",
    "Expect",
    "Connection",
    "Content-Type",
    "Content-Encoding",
    "Transfer-Encoding",
    "Content-Length",
    "X-Request-ID",
    "X-Request-Timeout-Ms",
    "X-Forwarded-Proto",
    "x-bertmesh-route",
    "SCRIPT_NAME",
    "PATH_INFO",
)
WORDS = (
    "",
    "a:\xb2",
    "\xff;=,",
    "gzip",
    "1" * 30,
    "-1",
    "application/openmetrics-text; version=a",
    "0",
    "100",
)


@given(
    line=st.sampled_from([TASK, EMBED, MODELS, LIVE, b"GET /metrics", b"OPTIONS /fill-mask"]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(NAMES),
            st.sampled_from(WORDS) | st.text(st.characters(max_codepoint=255), max_size=12),
        ),
        max_size=4,
    ),
)
@settings(
    max_examples=150,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_whatever_headers_come_the_answer_is_the_pods_own_and_no_failure(
    pod: Running, line: bytes, headers: list[tuple[str, str]]
) -> None:
    lines = b"".join(f"{name}: {value}\r\n".encode("latin-1") for name, value in headers)
    answer = exchange(pod.url, request(line, TRACE + lines, BODY), half=True)
    # Gunicorn itself refuses what is not HTTP, transfer codings and expectations that it does not know.
    own = answer.headers["Content-Type"] != "text/html"
    assert answer.status < 500 or (answer.status, own) == (501, False)
    assert answer.status < 400 or not own or answer.problem()
