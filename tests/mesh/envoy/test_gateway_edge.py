"""What a real Envoy does with a request before it is routed, and what it writes down."""

import json
import socket
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from mesh.errors import EnvoyDown
from mesh.local.binaries import find_envoy
from mesh.model import Split
from mesh.policy import Jwt, Policy
from tests.support.gateway import Gateway, gateway
from tests.support.pods import pods
from tests.support.processes import running, wait_until

pytestmark = pytest.mark.slow

ISSUER = "https://issuer.example.com"


def raw(gateway: Gateway, request: bytes) -> tuple[int, Any]:
    """Send bytes as they are; return status and JSON body of the answer."""
    with socket.create_connection(("127.0.0.1", gateway.options.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    return int(head.split()[1]), json.loads(body)


def access_log(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """Return the access log once it has ``count`` lines."""
    path = Path(gateway.options.access_log)
    wait_until(
        lambda: path.exists() and len(path.read_text().splitlines()) >= count, f"{count} lines of access log"
    )
    return [json.loads(line) for line in path.read_text().splitlines()]


class Keys:
    """A key pair of an issuer of tokens."""

    def __init__(self) -> None:
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key()))
        self.jwks = json.dumps({"keys": [public | {"kid": "1", "use": "sig", "alg": "RS256"}]})

    def token(self, **claims: object) -> str:
        """Return a good token, but for the claims that are given."""
        good = {"iss": ISSUER, "aud": "bert", "sub": "me", "exp": time.time() + 600}
        return jwt.encode(good | claims, self.private, algorithm="RS256", headers={"kid": "1"})


def test_too_many_requests_are_429_with_retry_after(tmp_path: Path) -> None:
    policy = Policy(rate_limit_per_s=5)
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0"), policy=policy) as here:
        answers = [here.call() for _ in range(30)]
    seen = Counter(answer.status for answer in answers)
    assert seen[429] > 0
    assert set(seen) == {200, 429}
    assert seen[200] == len(pod.seen)
    refused = next(answer for answer in answers if answer.status == 429)
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json["detail"] == "the gateway takes 5 requests a second: wait and try again"


def test_without_a_limit_no_request_is_refused(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        assert Counter(here.call().status for _ in range(30)) == {200: 30}


def test_only_a_good_token_is_let_in(tmp_path: Path) -> None:
    keys, others = Keys(), Keys()
    policy = Policy(jwt=Jwt(issuer=ISSUER, audiences=("bert",), jwks=keys.jwks))
    bad = {
        "no token": None,
        "not a token": "abc",
        "of another issuer": keys.token(iss="https://other.example.com"),
        "for somebody else": keys.token(aud="other"),
        "expired": keys.token(exp=time.time() - 600),
        "signed by another key": others.token(),
    }
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0"), policy=policy) as here:
        for what, token in bad.items():
            headers = {} if token is None else {"authorization": f"Bearer {token}"}
            answer = here.call(**headers)
            assert answer.status == (403 if what == "for somebody else" else 401), what
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json["status"] == answer.status
            assert "wt" in answer.json["detail"], what
        assert pod.seen == []
        assert here.call(authorization=f"Bearer {keys.token()}").status == 200
        assert "authorization" not in pod.seen[0], "tokens end at the gateway"


def test_an_answer_carries_the_clients_request_id_or_a_new_one(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        mine = here.call(x_request_id="0d0ff59b-ca38-4b8e-8c32-0f4f5b8b1f3c")
        new = here.call()
    assert mine.headers["x-request-id"] == "0d0ff59b-ca38-4b8e-8c32-0f4f5b8b1f3c"
    assert len(new.headers["x-request-id"]) == 36
    assert [request["x-request-id"] for request in pod.seen] == [
        mine.headers["x-request-id"],
        new.headers["x-request-id"],
    ]


def test_a_client_cannot_set_timeouts_or_retries(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        pod.does.delay_s = 0.1
        assert here.call(x_envoy_upstream_rq_timeout_ms="1", x_envoy_max_retries="9").status == 200
    assert not [name for name in pod.seen[0] if name.startswith("x-envoy-") and "external" not in name]


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400),
        (b"\x16\x03\x01 not HTTP at all\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nbig: " + b"a" * 70_000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_not_http_gets_a_problem_document(request_bytes: bytes, status: int, tmp_path: Path) -> None:
    with gateway(tmp_path, {"1.0": []}, Split("1.0")) as here:
        answered, body = raw(here, request_bytes)
    assert answered == status
    assert body["status"] == status
    assert body["detail"]


def test_a_second_gateway_on_the_same_port_takes_none_of_its_requests(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        second = Gateway(tmp_path / "second", ["1.0"], port=here.options.port)
        second.files.write_all(second.mesh(Split("1.0"), {}))
        second.router.prepare(Split("1.0"))
        words = second.files.command(find_envoy())
        with running("envoy", words, folder=second.folder, ready=lambda: cannot_listen(second)):
            assert not second.admin.is_ready()
            assert Counter(here.call().status for _ in range(20)) == {200: 20}
    assert len(pod.seen) == 20


def cannot_listen(gateway: Gateway) -> bool:
    with suppress(EnvoyDown):
        return gateway.admin.cannot_listen()
    return False


def test_each_request_is_one_line_of_json_in_the_access_log(tmp_path: Path) -> None:
    with pods("1.0") as (pod,), gateway(tmp_path, {"1.0": [pod]}, Split("1.0")) as here:
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        here.call("/fill-mask?q=secret", traceparent=f"00-{trace}-00f067aa0ba902b7-01", x_request_id="one")
        here.call(x_model_version="2.0", x_request_id="two")
        first, second = access_log(here, 2)
    expected = {"method": "POST", "path": "/fill-mask", "status": 200, "flags": "-", "route": "split"}
    expected |= {"version": "1.0", "pod": pod.name, "cache": "miss", "request_id": "one", "attempts": 1}
    assert {name: first.get(name) for name in expected} == expected
    assert trace in first["traceparent"]
    assert second["route"] == "unknown-version"
    assert (second["status"], second["details"]) == (404, "direct_response")
    assert "secret" not in str(first)
