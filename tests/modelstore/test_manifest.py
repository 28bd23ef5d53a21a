import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import modelstore
from modelstore.errors import DigestMismatch, ManifestError
from tests.modelstore.folders import write_model


@given(data=st.data())
def test_any_flipped_bit_in_any_file_is_found(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = write_model(Path(name), temperature=1.2)
        modelstore.write_manifest(folder, name="zh", version="1.0")
        victim = data.draw(st.sampled_from(sorted(folder.iterdir())))
        content = bytearray(victim.read_bytes())
        position = data.draw(st.integers(0, len(content) - 1))
        content[position] ^= 1 << data.draw(st.integers(0, 7))
        victim.write_bytes(content)
        try:
            manifest = modelstore.verify(folder)
        except (DigestMismatch, ManifestError):
            return
        # White space and the like in the manifest itself may change without changing what it says.
        assert victim.name == "manifest.json"
        assert manifest == modelstore.write_manifest(folder, name="zh", version="1.0")


def test_an_intact_version_verifies_to_the_manifest_that_was_written(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    written = modelstore.write_manifest(folder, name="zh", version="1.0")
    assert modelstore.verify(folder) == written
    assert written.digest.startswith("sha256:")


def test_the_card_is_part_of_the_digest_because_its_temperature_changes_answers(tmp_path: Path) -> None:
    folder = write_model(tmp_path, temperature=1.0)
    before = modelstore.write_manifest(folder, name="zh", version="1.0")
    (folder / "card.json").write_text('{"temperature": 1.1}')
    after = modelstore.write_manifest(folder, name="zh", version="1.0")
    assert before.digest != after.digest


def test_two_versions_of_the_same_files_have_two_digests(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    first = modelstore.write_manifest(folder, name="zh", version="1.0")
    second = modelstore.write_manifest(folder, name="zh", version="1.1")
    assert first.digest != second.digest


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    modelstore.write_manifest(folder, name="zh", version="1.0")
    (folder / "vocab.txt").unlink()
    with pytest.raises(DigestMismatch, match=r"vocab\.txt is missing"):
        modelstore.verify(folder)


def test_a_file_that_nobody_listed_is_refused(tmp_path: Path) -> None:
    folder = write_model(tmp_path)
    modelstore.write_manifest(folder, name="zh", version="1.0")
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(DigestMismatch, match=r"tokenizer\.json is not in its manifest"):
        modelstore.verify(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"kind": "patch"},
        {"kind": "delta"},
        {"files": {"../config.json": "00"}},
        {"files": {"/etc/passwd": "00"}},
        {"files": ["config.json"]},
        {"base": "1.0"},
    ],
)
def test_a_manifest_that_says_something_else_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write_model(tmp_path)
    modelstore.write_manifest(folder, name="zh", version="1.0")
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ManifestError, match=r"manifest of schema 1"):
        modelstore.read_manifest(folder)


def test_a_delta_without_a_base_cannot_be_described(tmp_path: Path) -> None:
    (tmp_path / "delta.safetensors").write_bytes(b"")
    with pytest.raises(ManifestError, match="pass the base"):
        modelstore.write_manifest(tmp_path, name="zh", version="1.1")
