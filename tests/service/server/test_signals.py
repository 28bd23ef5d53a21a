"""Signals to a real pod: those that gunicorn takes for a second worker change nothing and lose nothing."""

import signal
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import psutil
import pytest
import urllib3
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from bertmesh.local.ports import free_port
from tests.service.conftest import Tiny
from tests.service.grpc.test_calls import Client, infer_request
from tests.service.pod.test_swap import models
from tests.service.server.test_gunicorn import Running, running_pod
from tests.support.processes import answers, wait_until

__all__ = ["models"]  # a fixture
pytestmark = pytest.mark.slow

HARMLESS = (signal.SIGHUP, signal.SIGUSR2, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH)


@contextmanager
def under_requests(*asks: Callable[[], object]) -> Iterator[Counter[object]]:
    """Ask over and over, each on two threads, while the block runs; yield what came back, once it ended."""
    over, seen = Event(), Counter[object]()

    def work(ask: Callable[[], object]) -> Counter[object]:
        found = Counter[object]()
        while not over.is_set():
            found[ask()] += 1
        return found

    with ThreadPoolExecutor(2 * len(asks)) as pool:
        futures = [pool.submit(work, ask) for ask in asks for _ in range(2)]
        try:
            yield seen
        finally:
            over.set()
        for future in futures:
            seen.update(future.result())


def workers(pod: Running) -> set[int]:
    return {child.pid for child in psutil.Process(pod.child.pid).children()}


@pytest.mark.parametrize("everybody", [False, True], ids=["to the master", "to all processes"])
def test_no_signal_makes_a_second_worker_and_no_request_is_lost(
    tiny: Tiny, tmp_path: Path, *, everybody: bool
) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with running_pod(tiny, tmp_path, GRPC_BIND=bind) as pod, grpc.insecure_channel(bind) as channel:
        send = pod.child.signal if everybody else psutil.Process(pod.child.pid).send_signal
        before, client = workers(pod), Client(channel)
        with under_requests(lambda: pod.fill().status, lambda: client.infer("好").model_name) as seen:
            for number in HARMLESS:
                send(number)
                assert {pod.fill().status for _ in range(20)} == {200}
        assert set(seen) == {200, "tiny"}
        assert workers(pod) == before
        assert len(before) == 1
        pod.child.terminate()
        assert pod.exit_code() == 0


def idle(_pod: Running, _channel: grpc.Channel) -> object:
    return None


def silent(pod: Running, _channel: grpc.Channel) -> object:
    """Connect and say nothing, as a gateway does that wants a connection at hand."""
    url = urllib3.util.parse_url(pod.url)
    connection = socket.create_connection((str(url.host), url.port or 0))
    (worker,) = workers(pod)

    def accepted() -> bool:
        mine = connection.getsockname()
        return any(each.raddr == mine for each in psutil.Process(worker).net_connections())

    wait_until(accepted, "it is accepted")
    return connection


def watching(_pod: Running, channel: grpc.Channel) -> object:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    stream = stub.Watch(health_pb2.HealthCheckRequest())
    assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
    return stream


def reflecting(_pod: Running, channel: grpc.Channel) -> object:
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)

    def questions() -> Iterator[object]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        Event().wait()

    stream = stub.ServerReflectionInfo(questions())
    next(stream)
    return stream


@pytest.mark.parametrize("hold", [idle, silent, watching, reflecting])
def test_nobody_keeps_a_pod_from_ending_by_holding_a_connection(
    tiny: Tiny, tmp_path: Path, hold: Callable[[Running, grpc.Channel], object]
) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with (
        running_pod(tiny, tmp_path, GRPC_BIND=bind, DRAIN_S="0", DEADLINE_S="1") as pod,
        grpc.insecure_channel(bind) as channel,
    ):
        Client(channel).infer("好")
        held = hold(pod, channel)
        pod.child.terminate()
        assert pod.exit_code() == 0
        del held


def test_a_grpc_client_that_heeds_the_health_service_loses_no_call_when_the_pod_ends(
    tiny: Tiny, tmp_path: Path
) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with (
        running_pod(tiny, tmp_path, GRPC_BIND=bind, FAULT="latency=50ms") as pod,
        grpc.insecure_channel(bind) as channel,
    ):
        client = Client(channel)
        stub: Any = health_pb2_grpc.HealthStub(channel)
        with under_requests(lambda: client.infer("好").model_name) as seen:
            pod.child.terminate()
            for told in stub.Watch(health_pb2.HealthCheckRequest()):
                if told.status == health_pb2.HealthCheckResponse.NOT_SERVING:
                    break
        assert set(seen) == {"tiny"}
        assert pod.exit_code() == 0


def test_no_grpc_call_is_lost_while_models_are_swapped(tiny: Tiny, models: Path, tmp_path: Path) -> None:
    bind, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    told = {"MODEL": "tiny:1.0", "MODELS_DIR": str(models), "GRPC_BIND": bind, "ADMIN_BIND": admin}
    load = f"http://{admin}/v2/repository/models/tiny/load"
    with running_pod(tiny, tmp_path, **told), grpc.insecure_channel(bind) as channel:
        client = Client(channel)

        def version() -> str:
            answer, metadata = client.call("ModelInfer", infer_request("好"))
            assert metadata["x-model-version"] == answer.model_version
            return str(answer.model_version)

        with under_requests(version) as seen:
            for wanted in ("1.1", "1.0") * 3:
                parameters = {"parameters": {"version": wanted}}
                assert urllib3.request("POST", load, json=parameters, retries=False).status == 200
                assert version() == wanted
        assert set(seen) == {"1.0", "1.1"}


def test_a_worker_that_dies_is_replaced_and_the_grpc_port_opens_again(tiny: Tiny, tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with running_pod(tiny, tmp_path, GRPC_BIND=bind) as pod, grpc.insecure_channel(bind) as channel:
        client = Client(channel)
        client.infer("好")
        (worker,) = workers(pod)
        psutil.Process(worker).kill()
        wait_until(lambda: workers(pod) not in (set(), {worker}), "another worker is there")
        wait_until(answers(f"{pod.url}/readyz"), "it is ready")
        assert client.infer("好").model_name == "tiny"
        assert pod.fill().status == 200
