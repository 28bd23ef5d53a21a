"""Which port of a Service speaks HTTP, and which one gRPC."""

from typing import Any

import pytest

from mesh.ports import Ports

CASES: dict[str, tuple[list[dict[str, Any]], tuple[int, int | None]]] = {
    "none": ([], (80, None)),
    "one without a name": ([{"port": 8080}], (8080, None)),
    "by name": ([{"name": "grpc-web", "port": 1}, {"name": "http-main", "port": 2}], (2, 1)),
    "by protocol": (
        [{"name": "a", "port": 1, "appProtocol": "grpc"}, {"name": "b", "port": 2, "appProtocol": "http"}],
        (2, 1),
    ),
    "the protocol before the name": ([{"name": "grpc", "port": 1, "appProtocol": "http"}], (1, None)),
    "others before it": ([{"name": "metrics", "port": 1}, {"name": "http", "port": 2}], (2, None)),
    "none says http": ([{"name": "web", "port": 1}, {"name": "metrics", "port": 2}], (1, None)),
    "gRPC alone": ([{"name": "grpc", "port": 1}], (1, 1)),
    "UDP is none": ([{"name": "http3", "port": 1, "protocol": "UDP"}, {"name": "web", "port": 2}], (2, None)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_port_is_found_by_what_it_says_of_itself(case: str) -> None:
    listed, (http, grpc) = CASES[case]
    found = Ports.of({"spec": {"ports": listed}})
    assert (found.http, found.grpc) == (http, grpc)
