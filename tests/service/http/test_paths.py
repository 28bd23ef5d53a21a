"""A path is taken as it is written: whoever guards one by its name must not be passed by another spelling."""

from http.client import HTTPConnection
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from bertmesh.local.ports import free_port
from service.api.app import wrap
from service.api.documents import ProblemDocument
from service.api.pages import WEB
from service.errors import SettingsError
from service.pod.assembly import Pod, build
from service.pod.settings import Settings
from tests.service.api.test_app import json_of, problem
from tests.service.conftest import Tiny
from tests.service.server.test_gunicorn import running_pod
from tests.support.processes import LIMIT_S

PORT = 8002
SPELLINGS = (
    "//metrics",
    "///metrics",
    "/./metrics",
    "/v2/../metrics",
    "/metrics/.",
    "/metrics/..",
    "/%6Detrics",
    "/%6detrics",
    "/v2%2Fhealth/live",
    "/v2/health%2flive",
    "/%2e/metrics",
    "/%5cmetrics",
    "/\\metrics",
    "/v2//health/live",
)


@pytest.fixture
def client(pod: Pod) -> FlaskClient:
    return wrap(pod).test_client()


@pytest.mark.parametrize("path", SPELLINGS)
def test_another_spelling_is_no_path(client: FlaskClient, path: str) -> None:
    for given in (path, f"{path}?x=1"):
        answer = client.get("/", environ_overrides={"RAW_URI": given, "PATH_INFO": "/metrics"})
        assert "the plain path needed" in str(problem(answer, 404, "path-not-plain")["detail"])


@pytest.mark.parametrize("path", ["/metrics", "http://bert.example/metrics", "/metrics?at=//%2f"])
def test_the_plain_path_is_one_however_the_request_names_its_host(client: FlaskClient, path: str) -> None:
    answer = client.get("/", environ_overrides={"RAW_URI": path, "PATH_INFO": "/metrics"})
    assert answer.status_code == 200


def test_the_server_as_a_whole_says_which_methods_it_takes(client: FlaskClient) -> None:
    whole = {"RAW_URI": "*", "PATH_INFO": "*"}
    answer = client.options("/", environ_overrides=whole)
    assert (answer.status_code, answer.data) == (200, b"")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    problem(client.get("/", environ_overrides=whole), 404, "not-found")


def test_a_long_path_is_told_by_its_beginning(client: FlaskClient) -> None:
    path = "/" + 300 * "x"
    document = problem(client.get(path), 404, "not-found")
    assert (
        document["detail"] == f"there is nothing at {path[:200]}… (301 characters); GET / lists what there is"
    )
    assert path not in str(document)
    ProblemDocument.model_validate(document)
    assert problem(client.get(path[:200]), 404, "not-found")["instance"] == path[:200]


def test_a_range_that_is_not_there_is_told_how_much_is(client: FlaskClient) -> None:
    (name,) = (each.name for each in WEB.glob("*.css"))
    whole = len(client.get(f"/docs/{name}").data)
    answer = client.get(f"/docs/{name}", headers={"Range": f"bytes={whole}-"})
    problem(answer, 416, "range-not-satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{whole}"


def test_metrics_with_a_port_of_their_own_are_nowhere_else(tiny: Tiny) -> None:
    pod = build(tiny.settings(metrics_bind=f"127.0.0.1:{PORT}"))
    client = wrap(pod).test_client()
    there = {"SERVER_PORT": str(PORT)}
    assert client.get("/metrics", environ_overrides=there).data.startswith(b"# HELP")
    assert client.get("/metrics").status_code == 404
    assert client.get("/livez", environ_overrides=there).status_code == 404
    assert "/metrics" not in json_of(client.get("/"))["GET"]
    assert "/metrics" not in json_of(client.get("/openapi.json"))["paths"]
    pod.close()


def test_the_port_of_the_metrics_serves_nothing_else() -> None:
    env = {"BERTMESH_MODEL": "m", "BERTMESH_METRICS_BIND": "127.0.0.1:9000"}
    for other in ("BERTMESH_BIND", "BERTMESH_GRPC_BIND", "BERTMESH_ADMIN_BIND"):
        with pytest.raises(SettingsError, match="a port of its own needed"):
            Settings.from_env({**env, other: "0.0.0.0:9000"})


def asked(address: str, path: str) -> int:
    """Return the status of a path that is sent as it is."""
    connection = HTTPConnection(address, timeout=LIMIT_S)
    connection.request("GET", path)
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.slow
def test_gunicorn_takes_the_path_as_it_came(tiny: Tiny, tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with running_pod(tiny, tmp_path, METRICS_BIND=bind) as pod:
        serving = pod.url.removeprefix("http://")
        assert {path: asked(serving, path) for path in (*SPELLINGS, "/metrics")} == dict.fromkeys(
            (*SPELLINGS, "/metrics"), 404
        )
        assert asked(serving, f"http://{serving}/livez") == 200
        assert (asked(bind, "/metrics"), asked(bind, "//metrics")) == (200, 404)
