"""Files are replaced in one step, and only when they change."""

from pathlib import Path

import pytest
import yaml

from mesh.envoy import Options
from mesh.errors import InvalidMesh
from mesh.local.files import TYPES, EnvoyFiles, write_yaml
from mesh.model import Endpoint, Split, Version, local_mesh


@pytest.fixture
def files(tmp_path: Path) -> EnvoyFiles:
    return EnvoyFiles(Options(str(tmp_path / "envoy"), port=8080, admin_port=9901))


def test_a_file_is_replaced_by_a_rename_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write_yaml(path, {"a": 1})
    first = path.stat().st_ino
    write_yaml(path, {"a": 2})
    assert yaml.safe_load(path.read_text()) == {"a": 2}
    assert path.stat().st_ino != first
    assert list(tmp_path.iterdir()) == [path]


def test_an_equal_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    write_yaml(path, {"名": "值"})
    first = path.stat().st_ino
    write_yaml(path, {"名": "值"})
    assert path.stat().st_ino == first


def test_each_resource_type_has_a_folder_of_its_own(files: EnvoyFiles) -> None:
    mesh = local_mesh((Version("1.0"), Version("1.1")), Split("1.0"))
    files.write_all(mesh)
    assert sorted(path.name for path in files.folder.iterdir()) == sorted([*TYPES, "bootstrap.yaml"])
    assert sorted(path.name for path in (files.folder / "eds").iterdir()) == ["1.0.yaml", "1.1.yaml"]
    assert list((files.folder / "rds").iterdir()) == []


def test_the_endpoints_of_a_version_that_is_gone_go_too(files: EnvoyFiles) -> None:
    files.write_all(local_mesh((Version("1.0"), Version("1.1")), Split("1.0")))
    files.write_clusters(local_mesh((Version("1.1"),), Split("1.1")))
    assert [path.name for path in (files.folder / "eds").iterdir()] == ["1.1.yaml"]


def test_a_pod_carries_its_name_to_the_metrics(files: EnvoyFiles) -> None:
    files.write_endpoints(Version("1.0", (Endpoint("bert-1.0-a", "127.0.0.1", 9000),)))
    [assignment] = yaml.safe_load((files.folder / "eds" / "1.0.yaml").read_text())["resources"]
    [pod] = assignment["endpoints"][0]["lb_endpoints"]
    assert pod["metadata"]["filter_metadata"] == {"bertmesh": {"pod": "bert-1.0-a"}}


def test_envoys_folder_must_be_absolute() -> None:
    with pytest.raises(InvalidMesh, match="absolute path, got 'envoy'"):
        Options("envoy", 8080, 9901)
