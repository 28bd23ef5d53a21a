import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bertmesh.cli import cli

MODEL = Path(__file__).parents[2] / "models" / "zh-small" / "1.0"


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


LIMITED = """
import resource, sys
from bertmesh.cli import cli
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
