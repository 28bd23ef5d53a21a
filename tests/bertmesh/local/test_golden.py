"""Which golden set a rollout of the local home is held to."""

import json
from dataclasses import asdict
from pathlib import Path

import click
import pytest

from bertmesh.local import golden
from bertmesh.local.home import Home, VersionSpec, write_json
from modelstore.errors import BadGolden

SET = {"schema": 1, "sentences": [{"text": "北[MASK]", "answers": ["京"]}]}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a home with a model that has a golden set, one that has none, and a drill."""
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "models" / "small" / "golden.json").write_text(json.dumps(SET), encoding="utf-8")
    monkeypatch.setenv("BERTMESH_MODELS_DIR", str(tmp_path / "models"))
    home = Home.at(tmp_path / "home")
    specs = {
        "1.1": VersionSpec("small:1.1"),
        "1.2-faulty": VersionSpec("small:1.1", fault="error=0.3"),
        "mine": VersionSpec("/somewhere/else"),
    }
    write_json(home.versions_file, {name: asdict(spec) for name, spec in specs.items()})
    return home


def test_a_version_is_held_to_its_models_own_set(home: Home) -> None:
    assert golden.chosen(home, "1.1", None) == str(home.root.parent / "models" / "small" / "golden.json")


@pytest.mark.parametrize("version", ["1.2-faulty", "mine", "unknown"])
def test_drills_and_models_without_a_set_have_no_golden_gate(home: Home, version: str) -> None:
    assert golden.chosen(home, version, None) == "none"


def test_the_golden_gate_can_be_left_out(home: Home) -> None:
    assert golden.chosen(home, "1.1", "none") == "none"


def test_a_file_of_ones_own_is_taken(home: Home, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(SET), encoding="utf-8")
    assert golden.chosen(home, "1.2-faulty", str(path)) == str(path)
    assert [sentence.answers for sentence in golden.read(path)] == [("京",)]


def test_an_unusable_file_is_refused_before_anything_starts(home: Home, tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="is no golden set \\(No such file"):
        golden.chosen(home, "1.1", str(tmp_path / "absent.json"))


def test_a_folder_is_no_golden_set(tmp_path: Path) -> None:
    with pytest.raises(BadGolden, match="Is a directory"):
        golden.read(tmp_path)
