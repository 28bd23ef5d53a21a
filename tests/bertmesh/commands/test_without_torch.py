"""The main job's set-up has no torch and nothing of other extras; here they are as if not installed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).parents[3] / "models"

BLOCKED = """
import sys
from importlib.machinery import PathFinder

MISSING = ("torch", "transformers", "kopf", "kubernetes", "minio", "jsonschema", "pytest", "requests")

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in MISSING else super().find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Without
"""

IMPORT_ALL = """
import importlib, json, pkgutil
missing = {}
for package in ("bertmesh", "canary", "doctor", "mesh", "modelstore", "observability", "service"):
    found = importlib.import_module(package)
    for module in pkgutil.walk_packages(found.__path__, f"{package}."):
        if module.name.endswith(("__main__", "gunicorn_conf")):  # they start something
            continue
        try:
            importlib.import_module(module.name)
        except ModuleNotFoundError as error:
            missing[module.name] = error.name
print(json.dumps(missing))
"""

FILL = """
import json, sys
from pathlib import Path
from service.api.app import wrap
from service.pod.assembly import build
from service.pod.settings import Settings

pod = build(Settings("zh-small:1.0", models_dir=Path(sys.argv[1]), cache_dir=Path(sys.argv[2])))
pod.load()
client = wrap(pod).test_client()
answer = client.post("/fill-mask", json={"text": "这家酒店的服[MASK]很好。"}).get_json()
print(json.dumps([client.get("/version").get_json()["engine"]["name"], answer["result"][0]["token"]]))
pod.close()
"""

COMMAND = "from bertmesh.commands.cli import cli\ncli()"


def without_torch(script: str, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + script, *map(str, words)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_pod_answers(tmp_path: Path) -> None:
    done = without_torch(FILL, MODELS, tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == ["openvino", "务"]


def test_all_but_torchs_engines_and_the_adapters_of_a_cluster_is_imported() -> None:
    done = without_torch(IMPORT_ALL)
    assert done.returncode == 0, done.stderr
    missing = json.loads(done.stdout)
    assert {name for name, package in missing.items() if package == "torch"} == {
        f"service.engine.{name}" for name in ("gpu", "half", "pickled", "replay", "torch")
    }
    assert set(missing.values()) == {"torch", "kopf", "kubernetes"}
    of_this_machine = (
        "bertmesh.demo",
        "bertmesh.local",
        "bertmesh.commands.cli",
        "canary.local",
        "mesh.local",
    )
    assert not [name for name in missing if name.startswith(of_this_machine)]


def test_a_model_is_converted_and_judged(tmp_path: Path) -> None:
    words = ("models", "convert", "zh-small:1.0", "--recipe", "bf16", "--threads", "1")
    done = without_torch(COMMAND, *words, BERTMESH_CACHE_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "auto takes bf16" in done.stdout


def test_a_recipe_that_takes_torch_is_refused_with_the_extra_that_brings_it(tmp_path: Path) -> None:
    words = ("models", "convert", "zh-small:1.0", "--recipe", "cuda-fp16", "--threads", "1")
    done = without_torch(COMMAND, *words, BERTMESH_CACHE_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "no torch, and the recipe cuda-fp16 needs it" in done.stderr
    assert "install bertmesh[torch]" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [(("operator",), 1), (("doctor",), 2), (("console", "--cluster"), 1)],
)
def test_a_command_about_a_cluster_is_refused_with_the_extra_that_brings_it(
    words: tuple[str, ...], code: int
) -> None:
    done = without_torch(COMMAND, *words, "--namespace", "models")
    assert done.returncode == code
    assert "is not installed: pip install 'bertmesh[cluster]'" in done.stderr
    assert "Traceback" not in done.stderr


LOAD = """
import sys
from pathlib import Path
from service.engine.select import Original, load
from service.errors import UnsupportedModel

try:
    load(Original(Path(sys.argv[1])), Path(sys.argv[2]), 1, sys.argv[3])
except UnsupportedModel as error:
    print(error)
"""


def test_the_engine_torch_is_refused_with_the_extra_that_brings_it(tmp_path: Path) -> None:
    done = without_torch(LOAD, MODELS / "zh-small" / "1.0", tmp_path, "torch")
    assert done.returncode == 0, done.stderr
    assert "no torch, and the engine torch needs it" in done.stdout
    assert "install bertmesh[torch]" in done.stdout


def test_pickled_weights_are_refused_with_the_extra_that_brings_what_reads_them(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((MODELS / "zh-small" / "1.0" / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"pickled")
    done = without_torch(LOAD, tmp_path, tmp_path, "auto")
    assert done.returncode == 0, done.stderr
    assert "pytorch_model.bin" in done.stdout
    assert "install bertmesh[torch]" in done.stdout


def test_training_is_refused_with_the_extra_that_brings_what_it_needs() -> None:
    done = without_torch("import training")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("training needs torch and transformers: install bertmesh[train]")
