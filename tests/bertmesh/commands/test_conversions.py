import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from bertmesh.commands import conversions
from bertmesh.commands.cli import cli
from modelstore import resolve
from service.engine import select
from service.engine.conversion import Conversion
from service.engine.recipes import RECIPES

MODEL = Path(__file__).parents[3] / "models" / "zh-small" / "1.0"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def models(cache: Path, *words: str) -> Result:
    return CliRunner(env={"BERTMESH_CACHE_DIR": str(cache)}).invoke(cli, ["models", *words])


@pytest.fixture(scope="module")
def converted(cache: Path) -> Result:
    return models(cache, "convert", "zh-small:1.0", "--recipe", "bf16", "--threads", "1")


def test_the_table_says_how_faithful_a_conversion_is_and_what_pods_take(converted: Result) -> None:
    assert converted.exit_code == 0, converted.output
    (row,) = (line.split() for line in converted.stdout.splitlines() if line.lstrip().startswith("bf16"))
    assert float(row[1]) > 0.999
    assert "yes" in row
    assert "auto takes bf16" in converted.stdout


def test_what_was_converted_is_kept_and_told_again(cache: Path, converted: Result) -> None:
    assert converted.exit_code == 0
    again = models(cache, "convert", "zh-small:1.0", "--recipe", "bf16", "-o", "json")
    assert "converting" not in again.stderr
    (known,) = json.loads(again.stdout)["conversions"]
    assert known["recipe"] == "bf16"
    assert known["fidelity"]["passes"] is True
    assert known["size"] > 1e6


def test_the_card_holds_the_fidelity_of_conversions(cache: Path, converted: Result) -> None:
    assert converted.exit_code == 0
    card = json.loads(models(cache, "card", "zh-small:1.0").stdout)
    assert card["engines"]["bf16"]["fidelity"]["top_5"] >= 0.99
    assert card["temperature"] > 0


def test_a_model_that_cannot_be_converted_costs_one_sentence(cache: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(MODEL, folder)
    (folder / "manifest.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "t5"}))
    refused = models(cache, "convert", str(folder), "--recipe", "bf16")
    assert refused.exit_code == 1
    assert "cannot be converted" in refused.stderr
    assert "t5" in refused.stderr


def test_a_recipe_for_a_gpu_is_refused_where_there_is_none(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    refused = models(cache, "convert", "zh-small:1.0", "--recipe", "cuda-fp16")
    assert refused.exit_code == 1
    assert "no GPU that torch" in refused.stderr
    assert "needed: install" in refused.stderr


@pytest.mark.parametrize(("seen", "told"), [([], 0), (["NVIDIA L4"], 1)])
def test_by_default_what_needs_a_gpu_is_made_only_where_torch_can_use_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[str], told: int
) -> None:
    monkeypatch.setattr(conversions, "gpus", lambda: seen)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    version = resolve("zh-small:1.0", root=MODEL.parents[1], cache=tmp_path)
    folder = select.conversions(tmp_path, version.digest)
    for recipe in RECIPES:
        if recipe.device == "cpu":
            (folder / recipe.name).mkdir(parents=True)
            Conversion(recipe.name, recipe.precision, 512, 100, "test").write(folder / recipe.name)
    lines: list[str] = []
    conversions.convert(version, tmp_path, (), 1, again=False, tell=lines.append)
    assert len(lines) == told
    assert all("recipes for a GPU are left out: no GPU that torch" in line for line in lines)


LIMITED = """
import resource, sys
from bertmesh.commands.cli import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
cli()
"""
"""The command line where no file may become larger: a quota that needs no leave to set."""


@pytest.mark.slow
@pytest.mark.parametrize("limit", [100, 100_000, 8 << 20])
def test_a_full_disk_is_told_in_a_sentence_and_leaves_no_half_conversion(tmp_path: Path, limit: int) -> None:
    words = [sys.executable, "-c", LIMITED, str(limit), "models", "convert", "zh-small:1.0"]
    tried = subprocess.run(
        [*words, "--recipe", "bf16", "--threads", "1"],
        env={**os.environ, "BERTMESH_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert tried.returncode == 1
    assert "zh-small:1.0 cannot be converted: " in tried.stderr
    assert f"room for about twice its weights in {tmp_path} (" in tried.stderr
    assert "Traceback" not in tried.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_recipe_that_nobody_knows_is_refused_with_those_that_are_known(cache: Path) -> None:
    refused = models(cache, "convert", "zh-small:1.0", "--recipe", "int4")
    assert refused.exit_code == 2
    assert "int8-50" in refused.stderr
