"""What the doctor reads out of files, and its words when it cannot."""

import io
from pathlib import Path

import pytest

from doctor.errors import NothingToRead, NotRendered, Unreadable
from doctor.sources.files import objects, read

SERVICE = "{apiVersion: v1, kind: Service, metadata: {name: bert}}"


def test_a_folder_is_read_with_the_folders_in_it(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "one.yaml").write_text(SERVICE)
    (tmp_path / "two.json").write_text('{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}')
    (tmp_path / "notes.txt").write_text("kind: [")
    found = read([str(tmp_path)], "models", io.StringIO())
    assert [str(each) for each in found.objects] == ["Service models/bert", "Pod models/p"]


def test_a_stream_says_which_of_its_documents_is_meant() -> None:
    found = read(["-"], "models", io.StringIO(f"---\n# a note\n---\n{SERVICE}\n---\n{SERVICE}\n"))
    assert [each.source for each in found.objects] == ["stdin, document 2", "stdin, document 3"]


def test_a_list_is_opened() -> None:
    [found] = objects(f"{{apiVersion: v1, kind: List, items: [{SERVICE}]}}", "f")
    assert found.name == "bert"


def test_an_object_of_the_cluster_has_no_namespace() -> None:
    [found] = objects("{apiVersion: v1, kind: Namespace, metadata: {name: models}}", "f", "models")
    assert str(found) == "Namespace models"


def test_a_charts_source_is_refused_with_the_command_that_renders_it(tmp_path: Path) -> None:
    (tmp_path / "Chart.yaml").write_text("name: bertmesh")
    with pytest.raises(NotRendered, match="helm template NAME"):
        read([str(tmp_path)], "default", io.StringIO())


@pytest.mark.parametrize("text", ["a: [", "\x00", "a: 1\n b: 2"])
def test_what_is_no_yaml_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(Unreadable, match=r"bad\.yaml cannot be read"):
        read([str(tmp_path)], "default", io.StringIO())


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(Unreadable, match="no such file"):
        read(["/no/such/file.yaml"], "default", io.StringIO())


@pytest.mark.parametrize("text", ["", "---\n", "just: data", "- a\n- b"])
def test_files_without_an_object_are_no_clean_bill(text: str) -> None:
    with pytest.raises(NothingToRead, match="no Kubernetes object in -"):
        read(["-"], "default", io.StringIO(text))
