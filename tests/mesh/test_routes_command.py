"""`bertmesh routes`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from bertmesh.commands.routes import routes
from mesh.envoy import Options
from mesh.local.files import EnvoyFiles
from mesh.local.router import LocalRouter
from mesh.model import Split, Version, Weights, local_mesh


def run(*words: str) -> list[dict[str, Any]]:
    result = CliRunner().invoke(routes, words)
    assert result.exit_code == 0, result.output
    return list(yaml.safe_load_all(result.output))


def test_without_a_mesh_an_example_is_printed(tmp_path: Path) -> None:
    home = str(tmp_path)
    documents = run("--home", home)
    assert [document["kind"] for document in documents] == ["VirtualService", "DestinationRule", "Gateway"]
    assert documents == run("--istio", "--home", home)
    envoy = run("--envoy", "--home", home)
    assert "admin" in envoy[0]
    types = [document["resources"][0]["@type"].rsplit(".", 1)[-1] for document in envoy[1:]]
    assert types == ["Listener", "Cluster", *["ClusterLoadAssignment"] * 2, "RouteConfiguration"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home as a running mesh leaves it: 1.1 at 35 %."""
    split = Split("1.0", "1.1", Weights(35))
    specs = {name: {"model": f"zh-small:{name}", "fault": None, "replicas": 1} for name in ("1.0", "1.1")}
    (tmp_path / "mesh.json").write_text("{}")
    (tmp_path / "versions.json").write_text(json.dumps(specs))
    files = EnvoyFiles(Options(str(tmp_path / "envoy"), port=8080, admin_port=9901))
    files.write_all(local_mesh(tuple(Version(name) for name in specs), split))
    LocalRouter(files.folder, "http://127.0.0.1:1", versions=lambda: list(specs)).prepare(split)
    return tmp_path


def test_the_running_mesh_is_printed_with_its_split(home: Path) -> None:
    service, rule, _ = run("--istio", "--home", str(home))
    weights = {to["destination"]["subset"]: to["weight"] for to in service["spec"]["http"][-1]["route"]}
    assert weights == {"v1-0": 65, "v1-1": 35}
    assert [subset["labels"]["version"] for subset in rule["spec"]["subsets"]] == ["1.0", "1.1"]


def test_what_envoy_is_given_is_printed_as_it_is(home: Path) -> None:
    documents = run("--envoy", "--home", str(home))
    assert documents[-1] == yaml.safe_load((home / "envoy" / "rds" / "routes.yaml").read_text())
    assert len(documents) == 6
