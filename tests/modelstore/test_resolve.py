import json
import threading
from pathlib import Path

import pytest

import modelstore
from modelstore import delta, hub
from modelstore.errors import DigestMismatch, HubError, IncompleteModel, ManifestError, UnknownVersion
from tests.modelstore.folders import read_weights, write_model, write_store


def test_a_full_version_is_served_from_where_it_lies(tmp_path: Path) -> None:
    base, _ = write_store(tmp_path / "models")
    version = modelstore.resolve("zh:1.0", root=tmp_path / "models", cache=tmp_path / "cache")
    assert (version.name, version.version, version.folder, version.base) == ("zh", "1.0", base, None)
    assert version.temperature == 1.25


def test_a_delta_becomes_a_complete_folder_in_the_cache(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    version = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    assert version.folder == tmp_path / "cache" / version.digest.removeprefix("sha256:")
    assert read_weights(version.folder) == read_weights(tmp_path / "tuned")
    assert (version.base, version.temperature) == ("1.0", 1.5)


def test_resolving_twice_changes_nothing(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    first = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    stamp = (first.folder / "model.safetensors").stat().st_mtime_ns
    second = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    assert first == second
    assert (second.folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_many_at_once_get_the_same_intact_folder(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    found: list[modelstore.ModelVersion] = []

    def work() -> None:
        found.append(modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len({version.folder for version in found}) == 1
    modelstore.verify(found[0].folder)


def test_an_unfinished_folder_never_becomes_visible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_store(tmp_path / "models")
    cache = tmp_path / "cache"
    whole = delta.apply

    def die_half_way(base: Path, patch: Path, out: Path) -> None:
        whole(base, patch, out)
        (out / "model.safetensors").unlink()
        raise KeyboardInterrupt

    monkeypatch.setattr(delta, "apply", die_half_way)
    with pytest.raises(KeyboardInterrupt):
        modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=cache)
    assert [path for path in cache.iterdir() if path.is_dir() and not path.name.startswith(".")] == []
    monkeypatch.undo()
    version = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=cache)
    assert read_weights(version.folder) == read_weights(tmp_path / "tuned")


def test_a_damaged_cache_is_built_again(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    version = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    (version.folder / "vocab.txt").write_text("other")
    again = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    assert (again.folder / "vocab.txt").read_text() == "[PAD]\n[UNK]\n"
    assert [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()] == [again.folder.name]


def test_a_delta_on_another_base_than_it_was_made_from_is_refused(tmp_path: Path) -> None:
    base, _ = write_store(tmp_path / "models")
    (base / "vocab.txt").write_text("[PAD]\n")
    modelstore.write_manifest(base, name="zh", version="1.0")
    with pytest.raises(DigestMismatch, match=r"base zh:1\.0 with digest"):
        modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")


def test_a_delta_may_stand_on_a_delta(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    middle = modelstore.resolve("zh:1.1", root=tmp_path / "models", cache=tmp_path / "cache")
    tuned = write_model(tmp_path / "tuned-again", temperature=2.0)
    modelstore.create(middle.folder, tuned, tmp_path / "models" / "zh" / "1.2")
    modelstore.write_manifest(tmp_path / "models" / "zh" / "1.2", name="zh", version="1.2", base=middle)
    top = modelstore.resolve("zh:1.2", root=tmp_path / "models", cache=tmp_path / "cache")
    assert read_weights(top.folder) == read_weights(tuned)


def test_a_plain_folder_is_named_by_itself_and_its_content(tmp_path: Path) -> None:
    folder = write_model(tmp_path / "my-bert")
    version = modelstore.resolve(str(folder), root=tmp_path / "models", cache=tmp_path / "cache")
    assert version.name == "my-bert"
    assert version.digest.startswith("sha256:")
    (folder / "vocab.txt").write_text("[PAD]\n")
    other = modelstore.resolve(str(folder), root=tmp_path / "models", cache=tmp_path / "cache")
    assert other.digest != version.digest


def test_an_unknown_version_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    write_store(tmp_path / "models")
    with pytest.raises(UnknownVersion, match=r"'zh:2\.0'.*versions there are: zh:1\.0, zh:1\.1"):
        modelstore.resolve("zh:2.0", root=tmp_path / "models", cache=tmp_path / "cache")


@pytest.mark.parametrize(("lost", "what"), [("vocab.txt", "tokenizer"), ("model.safetensors", "weights")])
def test_a_folder_without_a_part_says_which_one(tmp_path: Path, lost: str, what: str) -> None:
    folder = write_model(tmp_path / "my-bert")
    (folder / lost).unlink()
    with pytest.raises(IncompleteModel, match=f"no {what} in"):
        modelstore.resolve(str(folder), root=tmp_path, cache=tmp_path)


@pytest.mark.parametrize("temperature", [0, -1, "warm", True, None, float("inf"), float("nan")])
def test_a_temperature_that_is_no_positive_number_is_refused(tmp_path: Path, temperature: object) -> None:
    folder = write_model(tmp_path / "my-bert")
    (folder / "card.json").write_text(json.dumps({"temperature": temperature}))
    with pytest.raises(ManifestError, match="temperature"):
        modelstore.resolve(str(folder), root=tmp_path, cache=tmp_path)


def test_versions_are_listed_in_natural_order(tmp_path: Path) -> None:
    for number in ("1.10", "1.9", "1.0"):
        folder = write_model(tmp_path / "zh" / number)
        modelstore.write_manifest(folder, name="zh", version=number)
    assert [version.version for version in modelstore.list_versions(tmp_path)] == ["1.0", "1.9", "1.10"]
    assert modelstore.list_versions(tmp_path / "nowhere") == ()


def test_a_hub_model_without_a_way_to_the_hub_is_a_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(HubError, match=r"hf://nobody/nothing that could not be fetched"):
        hub.fetch("nobody/nothing")
