"""A pod that stands still behind the gateway: its connections are open, and nothing comes."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3

from mesh.model import Endpoint, Split
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import Running, running_pod
from tests.support.gateway import gateway

pytestmark = pytest.mark.slow


def member(pod: Running, name: str) -> SimpleNamespace:
    """Return the pod as the gateway wants it."""
    url = urllib3.util.parse_url(pod.url)
    return SimpleNamespace(endpoint=Endpoint(name, str(url.host), url.port or 0))


def test_no_request_fails_when_a_pod_behind_the_gateway_is_stopped(tiny: Tiny, tmp_path: Path) -> None:
    folders = [tmp_path / "one", tmp_path / "other"]
    for folder in folders:
        folder.mkdir()
    with (
        running_pod(tiny, folders[0], VERSION="1.0") as one,
        running_pod(tiny, folders[1], VERSION="1.0") as other,
        gateway(tmp_path, {"1.0": [member(one, "a"), member(other, "b")]}, Split("1.0")) as gate,  # type: ignore[list-item] # all it asks for is the endpoint
        ThreadPoolExecutor(4) as pool,
    ):
        assert {gate.call(content_type="application/json").status for _ in range(4)} == {200}
        one.child.signal(signal.SIGSTOP)
        try:
            statuses = {
                answer.status
                for answer in pool.map(lambda _: gate.call(content_type="application/json"), range(40))
            }
        finally:
            one.child.signal(signal.SIGCONT)
        assert statuses == {200}
