"""No container engine builds here, so the Dockerfile is parsed and held to what it promises."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from bertmesh.local.pods import GUNICORN
from tests.chart.harness import OPERATOR_APIS, SCENARIOS, containers, pods, render, scenario
from tests.image.parsed import ROOT, Stage, global_arguments, ignored, sources, stages
from tests.support.pod_settings import unknown

FINAL = ("bare", "full")
BUILD_TOOLS = re.compile(r"\b(apt-get|apt|apk|gcc|g\+\+|make|build-essential|cmake|cargo|git)\b")


@pytest.fixture(scope="module")
def image() -> dict[str, Stage]:
    return stages()


def test_the_last_stage_is_the_one_with_models(image: dict[str, Stage]) -> None:
    assert list(image)[-1] == "full"
    assert image["full"].base == "bare"


def test_every_stage_begins_from_the_pinned_base_or_from_another_stage(image: dict[str, Stage]) -> None:
    for stage in image.values():
        assert stage.base in ("${BASE}${BASE_DIGEST}", "runtime-${VARIANT}", *image)


def test_there_is_a_stage_for_each_variant(image: dict[str, Stage]) -> None:
    assert {"runtime-cpu", "runtime-cuda"} <= set(image)
    assert image["runtime-cuda"].pairs("ENV")["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert global_arguments()["VARIANT"] == "cpu"


def test_the_base_has_no_registry_and_the_python_of_the_tests() -> None:
    base = global_arguments()["BASE"]
    assert "/" not in base
    assert base == f"python:{sys.version_info.major}.{sys.version_info.minor}-slim-bookworm"


def test_the_version_is_that_of_the_project_and_of_the_chart() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert global_arguments()["VERSION"] == project["version"]
    chart = yaml.safe_load((ROOT / "helm/bertmesh/Chart.yaml").read_text("utf-8"))
    assert chart["appVersion"] == project["version"]


def test_it_runs_as_a_user_with_a_number(image: dict[str, Stage]) -> None:
    [user] = image["bare"].of("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.value[0])
    assert not image["full"].of("USER")
    after = image["bare"].commands[image["bare"].commands.index(user) + 1 :]
    assert not [each for each in after if each.cmd in ("RUN", "COPY")]


def test_the_user_is_the_one_that_the_chart_runs_pods_as(image: dict[str, Stage]) -> None:
    values = yaml.safe_load((ROOT / "helm/bertmesh/values.yaml").read_text("utf-8"))
    context = values["podSecurityContext"]
    [user] = image["bare"].of("USER")
    assert user.value[0] == f"{context['runAsUser']}:{context['runAsGroup']}"


def test_the_models_lie_where_the_chart_looks_for_them(image: dict[str, Stage]) -> None:
    values = yaml.safe_load((ROOT / "helm/bertmesh/values.yaml").read_text("utf-8"))
    [models] = image["full"].of("COPY")
    assert models.value[-1] == values["image"]["modelsDir"]
    assert image["bare"].pairs("ENV")["BERTMESH_MODELS_DIR"] == values["image"]["modelsDir"]


@pytest.mark.parametrize("name", FINAL)
def test_the_final_stages_have_no_build_tools(image: dict[str, Stage], name: str) -> None:
    for run in image[name].of("RUN"):
        assert not BUILD_TOOLS.search(run.original)
        assert not re.search(r"\bpip\b.*\binstall\b", run.original.replace("uninstall", ""))
    taken = [each for each in image[name].of("COPY") if any("--from" in flag for flag in each.flags)]
    assert {source for each in taken for source in each.value[:-1]} <= {"/opt/venv", "/opt/sbom.cdx.json"}


def test_pip_is_taken_out(image: dict[str, Stage]) -> None:
    assert any("uninstall" in run.original and "pip" in run.original for run in image["bare"].of("RUN"))
    assert any("--without-pip" in run.original for run in image["build"].of("RUN"))


def test_everything_that_is_copied_is_in_the_tree_and_reaches_the_builder(image: dict[str, Stage]) -> None:
    arguments = {"${MODELS}": "models"}
    for stage in image.values():
        for command in stage.of("COPY"):
            for source in sources(command):
                path = arguments.get(source, source)
                assert (ROOT / path).exists(), path
                assert not ignored(path), path


@pytest.mark.parametrize(
    "path", [".venv", ".git", "tests", ".bertmesh/mesh.json", "service/__pycache__", "helm"]
)
def test_what_is_not_copied_does_not_reach_the_builder(path: str) -> None:
    assert ignored(path)


def test_every_package_of_the_project_is_copied(image: dict[str, Stage]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]
    wanted = {name.rstrip("*") for name in project["setuptools"]["packages"]["find"]["include"]}
    copied = {source for each in image["build"].of("COPY") for source in sources(each)}
    # A package that only tests and generators need is left out of the image on purpose.
    assert wanted - copied <= {"chart"}


def test_files_that_are_no_modules_are_installed_too() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]
    patterns = tool["package-data"]["*"]
    for name in tool["packages"]["find"]["include"]:
        for path in (ROOT / name.rstrip("*")).rglob("*"):
            if path.is_file() and path.suffix not in (".py", ".pyc"):
                assert any(path.match(pattern) for pattern in patterns), f"{path} is not in the wheel"


def test_torch_comes_from_an_index_that_the_builder_is_told(image: dict[str, Stage]) -> None:
    [install] = [run for run in image["build"].of("RUN") if "TORCH_INDEX:+" in run.original]
    assert "constraints.txt" in install.original
    assert "://" not in (ROOT / "Dockerfile").read_text("utf-8")


def test_the_wrong_torch_ends_the_build(image: dict[str, Stage]) -> None:
    [check] = [run for run in image["build"].of("RUN") if "torch.version.cuda" in run.original]
    program = check.original.partition('-c "')[2].rpartition('"')[0]
    import torch  # noqa: PLC0415 - only this test needs it

    built = "cuda" if torch.version.cuda else "cpu"
    other = {"cpu": "cuda", "cuda": "cpu"}[built]
    for variant, code in ((built, 0), (other, 1)):
        words = [sys.executable, "-c", program.replace("${VARIANT}", variant)]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert (f"torch is built for {built}" in done.stderr) == bool(code)


def test_the_labels_say_what_it_is_and_where_its_bill_of_materials_lies(image: dict[str, Stage]) -> None:
    labels = image["bare"].pairs("LABEL")
    wanted = {
        "title",
        "description",
        "licenses",
        "version",
        "revision",
        "created",
        "base.name",
        "base.digest",
    }
    assert {f"org.opencontainers.image.{name}" for name in wanted} <= set(labels)
    targets = [each.value[-1] for each in image["bare"].of("COPY")]
    assert labels["dev.bertmesh.sbom"] in targets


def test_nothing_is_written_outside_the_temporary_folder(image: dict[str, Stage]) -> None:
    env = image["bare"].pairs("ENV")
    assert env["PYTHONDONTWRITEBYTECODE"] == "1"
    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "BERTMESH_CACHE_DIR"):
        assert env[name].startswith("/tmp")  # noqa: S108 - inside the image
    assert not image["bare"].of("VOLUME")


def test_its_variables_are_those_of_the_settings(image: dict[str, Stage]) -> None:
    assert (
        unknown({name: value for stage in image.values() for name, value in stage.pairs("ENV").items()})
        == set()
    )


def test_it_starts_a_pod_as_the_local_mesh_does(image: dict[str, Stage]) -> None:
    [command] = image["bare"].of("CMD")
    assert command.json
    assert list(command.value) == ["python", *GUNICORN[1:]]
    assert not image["bare"].of("ENTRYPOINT")


def test_its_health_is_asked_without_a_shell(image: dict[str, Stage]) -> None:
    [check] = image["bare"].of("HEALTHCHECK")
    copied = [each.value[-1] for each in image["bare"].of("COPY")]
    assert '"/opt/bertmesh/healthcheck.py"' in check.original
    assert "/opt/bertmesh/healthcheck.py" in copied


ENTRY_POINTS = (
    ("python", "-m", "gunicorn"),
    ("python", "-m", "bertmesh", "operator"),
    ("python", "-m", "bertmesh", "console"),
    ("python", "-m", "bertmesh", "doctor"),
    ("python", "-m", "bertmesh", "models", "convert"),
    ("python", "-m", "modelstore", "fetch"),
    ("python", "-m", "training"),
)


@pytest.mark.parametrize("words", ENTRY_POINTS, ids=" ".join)
def test_every_command_of_the_image_answers_help(words: tuple[str, ...], tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, *words[1:], "--help"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=env,
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout.lower()


def test_the_chart_starts_nothing_that_is_not_here() -> None:
    for path in SCENARIOS:
        for name, pod in pods(render(scenario(path), apis=OPERATOR_APIS).objects):
            for words in (tuple(each.get("command", ())) for each in containers(pod)):
                known = any(words[: len(each)] == each for each in ENTRY_POINTS)
                assert words[:2] != ("python", "-m") or known, f"{path.name}, {name}: {words}"
