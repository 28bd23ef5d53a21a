"""What is rendered from a mesh: by pairs of input and output, and by what must hold for every mesh."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mesh import envoy, istio
from mesh.envoy.clusters import version_of
from mesh.local.files import to_yaml
from mesh.local.routefile import RouteFile
from mesh.model import Mesh, Split, Version, Weights, local_mesh, subset_name
from tests.mesh.istio_schemas import crd_file, crd_schema, model_schema, problems
from tests.mesh.rewrite_testdata import inputs, load

NAMES = st.from_regex(r"[a-z0-9]{1,3}([.-][a-z0-9]{1,3}){0,2}", fullmatch=True)


@st.composite
def meshes(draw: st.DrawFn) -> Mesh:
    names = draw(st.lists(NAMES, min_size=2, max_size=5, unique_by=subset_name))
    canary = draw(st.booleans())
    weight = draw(st.integers(0, 100)) if canary else 0
    mirror = draw(st.integers(0, 100)) if canary and weight < 100 else 0
    split = Split(names[0], names[1] if canary else None, Weights(weight), mirror)
    return local_mesh(tuple(Version(name) for name in draw(st.permutations(names))), split)


def istio_routes(mesh: Mesh) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = istio.virtual_service(mesh)["spec"]["http"]
    return routes


def envoy_routes(mesh: Mesh) -> list[dict[str, Any]]:
    routes: list[dict[str, Any]] = envoy.render_routes(mesh)["resources"][0]["virtual_hosts"][0]["routes"]
    return routes


def pins(mesh: Mesh) -> Iterator[tuple[str, set[str]]]:
    """Yield each pinned version and all versions that its requests may reach, of both renderings."""
    for route in istio_routes(mesh):
        header = route.get("match", [{}])[0].get("headers", {}).get("x-model-version", {})
        if "exact" in header:
            yield header["exact"], {to["destination"]["subset"] for to in route["route"]}
    for route in envoy_routes(mesh):
        if route["name"].startswith("pin-"):
            [header] = route["match"]["headers"]
            yield header["string_match"]["exact"], {subset_name(version_of(route["route"]["cluster"]))}


@pytest.mark.parametrize("path", inputs(), ids=lambda path: path.name)
def test_every_istio_document_is_valid(path: Path) -> None:
    mesh, _ = load(path)
    for document in istio.render(mesh):
        assert problems(document, model_schema(document["kind"])) == []
        if crd_file() is not None:
            assert problems(document, crd_schema(document["kind"])) == []


@given(meshes())
def test_any_mesh_renders_to_valid_istio_documents(mesh: Mesh) -> None:
    for document in istio.render(mesh):
        assert problems(document, model_schema(document["kind"])) == []


@given(meshes())
def test_weights_always_sum_to_100_or_while_requests_are_copied_to_a_million(mesh: Mesh) -> None:
    whole = 1_000_000 if mesh.split.mirror else 100
    assert sum(to["weight"] for to in istio_routes(mesh)[-1]["route"]) == whole
    clusters = envoy_routes(mesh)[-1]["route"]["weighted_clusters"]["clusters"]
    assert sum(cluster["weight"] for cluster in clusters) == whole


@given(meshes())
def test_a_pin_reaches_its_version_and_no_other(mesh: Mesh) -> None:
    found = list(pins(mesh))
    assert sorted(name for name, _ in found) == sorted(2 * mesh.names)
    assert all(reached == {subset_name(name)} for name, reached in found)


@given(meshes())
def test_a_request_that_is_pinned_never_meets_the_split(mesh: Mesh) -> None:
    names = [route["name"] for route in istio_routes(mesh)]
    assert names[-2:] == ["unknown-version", "split"]
    assert [route["name"] for route in envoy_routes(mesh)][-2:] == names[-2:]


@given(meshes())
def test_each_destination_is_told_which_version_was_chosen(mesh: Mesh) -> None:
    for route in istio_routes(mesh):
        for to in route.get("route", []):
            told = to["headers"]["request"]["set"]["x-bertmesh-route"]
            assert subset_name(told) == to["destination"]["subset"]
    for cluster in envoy_routes(mesh)[-1]["route"]["weighted_clusters"]["clusters"]:
        told, *_ = cluster["request_headers_to_add"]
        assert told["header"] == {"key": "x-bertmesh-route", "value": version_of(cluster["name"])}


@given(meshes())
def test_every_subset_that_is_routed_to_exists(mesh: Mesh) -> None:
    exist = {subset["name"]: subset["labels"] for subset in istio.destination_rule(mesh)["spec"]["subsets"]}
    routed = {to["destination"]["subset"] for route in istio_routes(mesh) for to in route.get("route", [])}
    mirrored = {route["mirror"]["subset"] for route in istio_routes(mesh) if "mirror" in route}
    assert routed | mirrored <= set(exist)
    assert sorted(labels["version"] for labels in exist.values()) == sorted(mesh.names)


@given(meshes())
def test_the_split_is_read_back_from_the_routes(tmp_path_factory: pytest.TempPathFactory, mesh: Mesh) -> None:
    file = RouteFile(tmp_path_factory.mktemp("envoy"))
    file.write(to_yaml([envoy.render_routes(mesh)]))
    assert file.split() == mesh.split


@given(st.lists(NAMES | st.from_regex(r"[0-9.e+x_:-]{1,6}|y|n|on|off|null|~", fullmatch=True), min_size=1))
def test_yaml_says_text_where_text_was_meant(words: list[str]) -> None:
    assert yaml.safe_load(to_yaml([{"words": words}])) == {"words": words}


@given(meshes())
def test_equal_routes_have_equal_versions_and_others_differ(mesh: Mesh) -> None:
    version = envoy.render_routes(mesh)["version_info"]
    assert envoy.render_routes(mesh)["version_info"] == version
    other = local_mesh((*mesh.versions, Version("added-later")), mesh.split)
    assert envoy.render_routes(other)["version_info"] != version
