"""`bertmesh doctor` as people and pipelines call it."""

import json
import os
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from bertmesh.commands.routes import example_mesh
from bertmesh.local import inventory
from bertmesh.local.home import Home, MeshInfo, VersionSpec, process_start, write_json
from doctor.examine.run import examine
from doctor.model import Inventory, Object, Severity
from doctor.sources.files import objects
from mesh import gateway_api, istio
from mesh.cluster.istio import render
from mesh.envoy import render_routes
from mesh.local.files import to_yaml, write_yaml
from mesh.local.routefile import RouteFile
from mesh.policy import ConnectionPool, Policy
from mesh.routing import Routing, Style
from tests.doctor.worlds import World

ROOT = Path(__file__).resolve().parents[2]


def run(*words: str, stdin: str = "") -> Result:
    return CliRunner().invoke(cli, ["doctor", *words], input=stdin)


def test_a_clean_stream_is_an_exit_code_of_zero() -> None:
    result = run("-", stdin=World().yaml)
    assert result.exit_code == 0
    assert result.output == "looked at 17 objects in files: 0 errors, 0 warnings\n"


def test_an_error_is_an_exit_code_of_one_with_what_why_and_how() -> None:
    world = World()
    world.spec("Service/bert")["ports"][0]["name"] = "web"
    result = run("-", stdin=world.yaml)
    assert result.exit_code == 1
    for part in (
        "BM101 error",
        "Service models/bert",
        "spec.ports[0].name",
        "'web'",
        "guesses",
        "kubectl -n models",
    ):
        assert part in result.output


def test_warnings_fail_only_where_they_are_asked_to() -> None:
    world = World()
    world.spec("Deployment/bert-1.0")["strategy"] = {"type": "Recreate"}
    assert run("-", stdin=world.yaml).exit_code == 0
    assert run("-", "--strict", stdin=world.yaml).exit_code == 1
    assert run("-", "--strict", "--ignore", "BM307", stdin=world.yaml).exit_code == 0


def test_the_same_as_data() -> None:
    world = World()
    world.spec("Service/bert")["ports"][0]["name"] = "web"
    told = json.loads(run("-", "-o", "json", stdin=world.yaml).output)
    assert told["looked"] == {"place": "files", "objects": 17}
    assert told["summary"] == {"error": 1, "warning": 0, "info": 0}
    assert set(told["findings"][0]) == {
        "code", "title", "severity", "object", "source", "field", "seen", "why", "fix",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["/no/such.yaml"], "no such file"),
        (["-"], "no Kubernetes object"),
        (["-", "--ignore", "BM1"], "no check has the code 'BM1'"),
        (["--home", "/no/such/home"], "or -n NAMESPACE for a cluster"),
    ],
)
def test_who_could_not_look_says_so_with_an_exit_code_of_two(words: list[str], says: str) -> None:
    result = run(*words, stdin="" if "--ignore" not in words else World().yaml)
    assert result.exit_code == 2
    assert says in result.output
    assert len(result.output.splitlines()) == 1


def test_files_go_where_the_namespace_says() -> None:
    result = run("-", "-n", "elsewhere", stdin="{apiVersion: v1, kind: Service, metadata: {name: redis}, "
                 "spec: {ports: [{port: 6379}]}}")  # fmt: skip
    assert "kubectl -n elsewhere" in result.output


def test_the_projects_own_istio_objects_have_no_errors() -> None:
    mesh = example_mesh()
    gateway = Routing(style=Style.GATEWAY_API, gateways=("public",))
    for documents in (
        istio.render(mesh),
        render(mesh, Routing(style=Style.SERVICES, gateways=("public",))),
        gateway_api.render(mesh, gateway),
    ):
        found = Inventory(tuple(objects(to_yaml(documents), "ours")))
        assert [each for each in examine(found) if each.severity is Severity.ERROR] == []


def test_the_projects_example_of_a_rollout_has_no_errors_of_its_own() -> None:
    example = yaml.safe_load((ROOT / "docs/reference/modelrollout.example.yaml").read_text("utf-8"))
    assert examine(Inventory((Object(example),))) == []


def running_home(folder: Path, pool: ConnectionPool) -> Home:
    """Return a home as a running mesh leaves it: the process is this one."""
    home = Home.at(folder)
    started = process_start(os.getpid())
    assert started is not None
    write_json(home.info_file, {**MeshInfo(os.getpid(), started, "", "", "", "").__dict__})
    mesh = example_mesh()
    home.add_versions({name: VersionSpec(f"zh-small:{name}") for name in mesh.names})
    home.tell_policy(Policy(connection_pool=pool))
    route = RouteFile(home.envoy)
    route.path.parent.mkdir(parents=True)
    write_yaml(route.path, render_routes(mesh))
    return home


def test_the_local_mesh_is_looked_at_like_a_cluster(tmp_path: Path) -> None:
    home = running_home(tmp_path, ConnectionPool())
    result = run("--home", str(home.root))
    assert result.exit_code == 0, result.output
    assert "of the local mesh: 0 errors" in result.output


def test_a_local_mesh_whose_envoy_keeps_connections_too_long_is_found(tmp_path: Path) -> None:
    home = running_home(tmp_path, ConnectionPool(idle_timeout_s=600))
    codes = {each.code for each in examine(inventory.inventory(home))}
    assert codes == {"BM301"}
