"""The admin port: what changes models is there, and nowhere else."""

import json
import re
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

import modelstore
from bertmesh.local.ports import free_port
from service.api.app import wrap
from service.engine.conversion import Conversion
from service.engine.select import conversions
from service.errors import SettingsError
from service.pod.assembly import Pod, build
from service.pod.settings import Settings
from tests.service.api.test_app import FILL, json_of, problem
from tests.service.conftest import Tiny
from tests.service.pod.test_swap import Bench, bench_for, models
from tests.service.server.test_gunicorn import running_pod

__all__ = ["models"]  # a fixture
PORT = 8001
DOOR = {"SERVER_PORT": str(PORT)}
CHANGES = (
    "/v2/repository/index",
    "/v2/repository/models/tiny/load",
    "/v2/repository/models/tiny/unload",
    "/rollback",
)


class Admin:
    """A client of the admin port."""

    def __init__(self, client: FlaskClient) -> None:
        self._client = client

    def get(self, path: str) -> TestResponse:
        return self._client.get(path, environ_overrides=DOOR)

    def post(self, path: str, body: dict[str, Any] | None = None) -> TestResponse:
        return self._client.post(path, json=body, environ_overrides=DOOR)

    def change(self, verb: str, version: str, name: str = "tiny") -> TestResponse:
        return self.post(f"/v2/repository/models/{name}/{verb}", {"parameters": {"version": version}})

    def states(self) -> dict[str, str]:
        return {entry["version"]: entry["state"] for entry in json_of(self.post("/v2/repository/index"))}


@pytest.fixture
def bench(models: Path) -> Iterator[Bench]:
    made = bench_for(models, admin_bind=f"127.0.0.1:{PORT}")
    yield made
    made.pod.close()


@pytest.fixture
def admin(bench: Bench) -> Admin:
    return Admin(wrap(bench.pod).test_client())


def test_versions_are_listed_loaded_put_back_and_unloaded(admin: Admin, bench: Bench) -> None:
    assert admin.states() == {"1.0": "READY", "1.1": "UNAVAILABLE", "2.0": "UNAVAILABLE"}
    assert json_of(admin.change("load", "1.1")) == {}
    assert bench.vector()[0] == json_of(admin.get("/version"))["version"] == "1.1"
    assert json_of(admin.post("/v2/repository/index", {"ready": True}))[0]["version"] == "1.1"
    assert json_of(admin.post("/rollback")) == {"model": "tiny:1.0"}
    assert bench.vector()[0] == "1.0"
    assert json_of(admin.change("unload", "1.1")) == {}
    problem(admin.post("/rollback"), 409, "no-former-model")
    problem(admin.change("unload", "1.0"), 409, "fixed-model")
    problem(admin.change("load", "7"), 404, "unknown-model")
    problem(admin.post("/v2/repository/models/tiny/load", {"version": "1.1"}), 422, "invalid-fields")


@pytest.mark.parametrize("verb", ["load", "unload"])
@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"verison": "1.0"}, "parameters.verison: is unknown; only version is taken"),
        ({"version": "1.0", "config": "{}"}, "parameters.config: is not offered; a version in the models"),
        ({"file:1/model.onnx": "aGk="}, "parameters.file:1/model.onnx: is not offered; a version in"),
        ({"unload_dependents": True}, "parameters.unload_dependents: is not offered; a model here has no"),
        ({"version": 1.1}, 'parameters.version: is no string; one like "1.0" needed: put it in quotes'),
    ],
)
def test_what_is_not_understood_changes_no_model(
    admin: Admin, verb: str, parameters: dict[str, Any], said: str
) -> None:
    refused = admin.post(f"/v2/repository/models/tiny/{verb}", {"parameters": parameters})
    assert str(problem(refused, 422, "invalid-fields")["detail"]).startswith(said)
    assert admin.states()["1.0"] == "READY"


@pytest.mark.parametrize("spoilt", ["manifest.json", "card.json"])
def test_a_version_that_cannot_be_read_is_listed_with_the_reason_and_stops_no_other(
    tmp_path: Path, models: Path, spoilt: str
) -> None:
    root = tmp_path / "models"
    shutil.copytree(models, root)
    shutil.copytree(models / "tiny" / "1.1", root / "tiny" / "1.9")
    (root / "tiny" / "1.9" / spoilt).write_text("{")
    made = bench_for(root, admin_bind=f"127.0.0.1:{PORT}")
    admin = Admin(wrap(made.pod).test_client())
    (entry,) = (one for one in json_of(admin.post("/v2/repository/index")) if one["version"] == "1.9")
    assert entry["state"] == "UNAVAILABLE"
    assert spoilt in entry["reason"]
    problem(admin.change("load", "1.9"), 409, "unusable-model")
    problem(admin.change("load", "7"), 404, "unknown-model")
    problem(admin.change("unload", "1.9"), 404, "unknown-model")
    assert json_of(admin.change("load", "1.1")) == {}
    assert made.vector()[0] == "1.1"
    assert json_of(admin.change("unload", "1.0")) == {}
    made.pod.close()


def test_the_serving_port_changes_no_model_whatever_it_is_told(bench: Bench) -> None:
    client = wrap(bench.pod).test_client()
    for path in CHANGES:
        for headers in ({}, {"Host": f"127.0.0.1:{PORT}"}, {"X-Forwarded-Port": str(PORT)}):
            problem(client.post(path, headers=headers), 404, "not-found")
    assert bench.vector()[0] == "1.0"


def test_the_admin_port_answers_no_texts_and_says_what_there_is(admin: Admin) -> None:
    problem(admin.post("/fill-mask", FILL), 404, "not-found")
    assert {path.split()[1] for path in json_of(admin.get("/"))["paths"]} == {
        "/",
        "/version",
        "/rollback",
        "/v2/repository/index",
        "/v2/repository/models/<name>/load",
        "/v2/repository/models/<name>/unload",
    }


def test_without_an_address_there_is_no_admin_port(tiny: Tiny) -> None:
    pod: Pod = build(tiny.settings())
    client = wrap(pod).test_client()
    assert {client.post(path, environ_overrides=DOOR).status_code for path in CHANGES} == {404}
    pod.close()


def test_the_admin_port_must_be_a_port_of_its_own() -> None:
    for other in ("BERTMESH_BIND", "BERTMESH_GRPC_BIND"):
        env = {"BERTMESH_MODEL": "m", other: "0.0.0.0:9000", "BERTMESH_ADMIN_BIND": "127.0.0.1:9000"}
        with pytest.raises(SettingsError, match="a port of its own needed"):
            Settings.from_env(env)


@pytest.mark.slow
def test_gunicorn_opens_both_ports_and_each_answers_its_own(tiny: Tiny, tmp_path: Path) -> None:
    bind = f"127.0.0.1:{free_port()}"
    with running_pod(tiny, tmp_path, ADMIN_BIND=bind) as pod:
        for path in CHANGES:
            assert urllib3.request("POST", f"{pod.url}{path}", retries=False).status == 404
        assert urllib3.request("POST", f"http://{bind}/v2/repository/index", retries=False).status == 200
        assert urllib3.request("POST", f"http://{bind}/fill-mask", json=FILL, retries=False).status == 404
        assert pod.fill().status == 200


def test_weights_that_hold_less_than_their_header_says_are_refused_in_a_sentence(
    tmp_path: Path, models: Path
) -> None:
    root = shutil.copytree(models, tmp_path / "models")
    lying = shutil.copytree(root / "tiny" / "1.1", root / "tiny" / "9.0")
    header = json.dumps(
        {"words": {"dtype": "F32", "shape": [1 << 48], "data_offsets": [0, 1 << 50]}}
    ).encode()
    (lying / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    modelstore.write_manifest(lying, name="tiny", version="9.0")
    made = bench_for(root, admin_bind=f"127.0.0.1:{PORT}")
    told = problem(Admin(wrap(made.pod).test_client()).change("load", "9.0"), 409, "unusable-model")
    assert "model.safetensors that safetensors refuses" in str(told["detail"])
    assert made.vector()[0] == "1.0"
    made.pod.close()


@pytest.mark.slow
def test_a_model_that_memory_does_not_suffice_for_is_refused_over_http_with_the_numbers(
    models: Path, tiny: Tiny, tmp_path: Path
) -> None:
    """Its conversion is in files of holes: two petabytes that take no room."""
    huge = shutil.copytree(models / "tiny" / "1.1", tmp_path / "models" / "tiny" / "9.0")
    shutil.copytree(models / "tiny" / "1.0", tmp_path / "models" / "tiny" / "1.0")
    manifest = modelstore.write_manifest(huge, name="tiny", version="9.0")
    converted = conversions(tmp_path / "cache", manifest.digest) / "int8"
    converted.mkdir(parents=True)
    Conversion("int8", "f32", 8, 8, "a test", fidelity={"passes": True}).write(converted)
    for number in range(256):
        with (converted / f"{number}.blob").open("wb") as file:
            file.truncate(1 << 43)
    bind = f"127.0.0.1:{free_port()}"
    told = {"MODEL": "tiny:1.0", "MODELS_DIR": str(tmp_path / "models"), "ADMIN_BIND": bind}
    told["CACHE_DIR"] = str(tmp_path / "cache")
    with running_pod(tiny, tmp_path, **told) as pod:
        url = f"http://{bind}/v2/repository/models/tiny/load"
        asked = {"parameters": {"version": "9.0"}}
        refused = urllib3.request("POST", url, json=asked, retries=False)
        assert refused.status == 409
        assert refused.headers["content-type"] == "application/problem+json"
        problem = refused.json()
        assert problem["type"] == "urn:bertmesh:problem:swap-refused"
        seen = re.fullmatch(
            r"([\d,]+) MiB of free memory; ([\d,]+) MiB for a second model needed: free .*", problem["detail"]
        )
        assert seen is not None
        free, needed = (int(number.replace(",", "")) for number in seen.groups())
        assert 0 < free < needed
        assert needed > 1 << 30
        assert pod.fill().headers["x-model-version"] == "1.0"
        assert "Traceback" not in pod.child.log.read_text()
