"""Asking one version through a gateway."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from bertmesh.local.ports import free_port
from canary.adapters.pinned import PinnedCandidates, reached
from tests.support.pods import pods


class Gateway(ThreadingHTTPServer):
    """Answers like a pod of the pinned version, or as the test says."""

    status = 200
    answers_as: str | None = None
    token = ""
    batches: list[int]


class Handler(BaseHTTPRequestHandler):
    server: Gateway

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.server.batches.append(len(asked["text"]))
        result = [[{"token": text[0], "score": 0.9}] * asked["top_k"] for text in asked["text"]]
        version = self.server.answers_as or self.headers["x-model-version"]
        body = json.dumps({"result": result, "model": {"name": "m", "version": version}}).encode()
        known = not self.server.token or self.headers["authorization"] == f"Bearer {self.server.token}"
        self.send_response(self.server.status if known else 403)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    server = Gateway(("127.0.0.1", 0), Handler)
    server.batches = []
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def fill(gateway: Gateway, texts: list[str]) -> list[tuple[str, ...] | None]:
    return PinnedCandidates(f"http://127.0.0.1:{gateway.server_address[1]}").fill("1.1", texts, 3)


def test_texts_are_asked_in_batches_and_answered_in_order(gateway: Gateway) -> None:
    texts = [f"{chr(0x4E00 + k)}[MASK]" for k in range(20)]
    assert fill(gateway, texts) == [(text[0],) * 3 for text in texts]
    assert gateway.batches == [4, 4, 4, 4, 4]


def test_an_error_is_no_answer(gateway: Gateway) -> None:
    gateway.status = 503
    assert fill(gateway, ["一[MASK]", "二[MASK]"]) == [None, None]


def test_an_answer_of_another_version_is_none(gateway: Gateway) -> None:
    gateway.answers_as = "1.0"
    assert fill(gateway, ["一[MASK]"]) == [None]


def test_a_gateway_that_is_gone_is_no_answer_and_the_rest_is_not_asked() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    gone = PinnedCandidates(url)
    assert gone.fill("1.1", ["一[MASK]"] * 20, 3) == [None] * 20
    assert gone.trouble.startswith(f"{url}/fill-mask is not reached: ")
    assert "refused" in gone.trouble


def test_why_there_was_no_answer_is_known_until_there_is_one(gateway: Gateway) -> None:
    url = f"http://127.0.0.1:{gateway.server_address[1]}"
    candidates = PinnedCandidates(url)
    gateway.status = 503
    candidates.fill("1.1", ["一[MASK]"], 3)
    assert candidates.trouble == f"{url}/fill-mask answers with 503"
    gateway.status, gateway.answers_as = 200, "1.0"
    candidates.fill("1.1", ["一[MASK]"], 3)
    assert candidates.trouble == f"{url}/fill-mask answers without an answer of 1.1"
    gateway.answers_as = "1.1"
    candidates.fill("1.1", ["一[MASK]"], 3)
    assert candidates.trouble == ""


def test_a_token_is_read_each_time_and_who_has_none_is_told_where_to_name_one(
    gateway: Gateway, tmp_path: Path
) -> None:
    url, file = f"http://127.0.0.1:{gateway.server_address[1]}", tmp_path / "token"
    candidates = PinnedCandidates(url, token=file)
    gateway.token = "first"  # noqa: S105 - a test's own
    assert candidates.fill("1.1", ["一[MASK]"], 3) == [None]
    assert candidates.trouble.endswith(
        "with 403: if it wants a token, name one in the chart's mesh.jwt.ownToken"
    )
    for token in ("first", "second"):
        gateway.token = token
        file.write_text(f"{token}\n")
        assert candidates.fill("1.1", ["一[MASK]"], 3) == [("一",) * 3]


@pytest.mark.parametrize(
    ("status", "answered", "found"),
    [
        (200, "1.1", True),
        (404, "1.1", True),
        (200, "1.0", False),
        (503, None, False),
        (401, None, None),
    ],
)
def test_a_pin_reaches_the_version_that_names_itself(
    status: int,
    answered: str | None,
    found: bool | None,  # noqa: FBT001 - a row of the table
) -> None:
    assert reached("1.1", status, answered).answered is found


def test_a_pod_is_reached_through_the_gateway_by_its_versions_header() -> None:
    with pods("1.1") as [pod]:
        url = f"http://127.0.0.1:{pod.port}"
        pod.does.headers = {"x-model-version": "1.1"}
        assert PinnedCandidates(url).reach("1.1").answered
        assert pod.seen[-1]["x-model-version"] == "1.1"
    assert PinnedCandidates(url).reach("1.1").answered is None
