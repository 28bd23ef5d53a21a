"""What goes into the image beside the code: health check, bill of materials; and what builds it."""

import http.server
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.parsed import ROOT, stages

IMAGE = ROOT / "deploy" / "image"
SCRIPT = IMAGE / "build.sh"


class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def health(**env: str) -> int:
    words = [sys.executable, str(IMAGE / "healthcheck.py")]
    return subprocess.run(words, env={**os.environ, **env}, check=False, capture_output=True).returncode


def test_a_pod_that_answers_is_healthy(port: int) -> None:
    assert health(BERTMESH_BIND=f"0.0.0.0:{port}") == 0


def test_a_pod_that_answers_with_an_error_is_not(port: int) -> None:
    assert health(BERTMESH_HEALTH_URL=f"http://127.0.0.1:{port}/readyz") == 1


def test_a_pod_that_is_not_there_is_not(port: int) -> None:
    del port  # the next one is as good as any that is taken by nobody
    assert health(BERTMESH_BIND="0.0.0.0:1") == 1


def test_the_bill_of_materials_names_every_installed_package() -> None:
    done = subprocess.run(
        [sys.executable, str(IMAGE / "sbom.py"), "bertmesh", "9.9"],
        capture_output=True,
        text=True,
        check=True,
    )
    document = json.loads(done.stdout)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert document["metadata"]["component"]["version"] == "9.9"
    named = {(each["name"], each["version"]) for each in document["components"]}
    assert ("flask", importlib.metadata.version("flask")) in named
    installed = {
        re.sub(r"[-_.]+", "-", each.metadata["Name"]).lower() for each in importlib.metadata.distributions()
    }
    assert installed == {name for name, _ in named}
    references = [each["bom-ref"] for each in document["components"]]
    assert len(set(references)) == len(references)


def test_the_dependencies_are_the_projects_and_those_of_the_extras() -> None:
    words = [sys.executable, str(IMAGE / "dependencies.py"), str(ROOT / "pyproject.toml"), "cluster"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(line.startswith("flask") for line in lines)
    assert any(line.startswith("kopf") for line in lines)
    assert not any(line.startswith("pytest") for line in lines)


def test_an_extra_that_names_another_brings_what_that_brings() -> None:
    words = [sys.executable, str(IMAGE / "dependencies.py"), str(ROOT / "pyproject.toml"), "train"]
    lines = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert any(line.startswith("torch==") for line in lines)
    assert any(line.startswith("transformers") for line in lines)
    assert not any(line.startswith("bertmesh") for line in lines)


def test_an_unknown_extra_is_named() -> None:
    words = [sys.executable, str(IMAGE / "dependencies.py"), str(ROOT / "pyproject.toml"), "gpu"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no extra 'gpu'" in done.stderr


class Engines:
    """A folder to be the PATH, with container engines that write down what they are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        for name in ("bash", "sed", "head", "date", "cat", "dirname", "git", "env"):
            found = next(
                Path(place, name) for place in os.environ["PATH"].split(":") if Path(place, name).exists()
            )
            (folder / name).symlink_to(found)

    def add(self, name: str, script: str = "") -> None:
        path = self.folder / name
        path.write_text(f'#!/usr/bin/env bash\necho "{name} $*" >> "{self.log}"\n{script}\n')
        path.chmod(0o755)

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), *words],
            env={"PATH": str(self.folder), "HOME": str(self.folder), **env},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def said(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


@pytest.fixture
def engines(tmp_path: Path) -> Engines:
    return Engines(tmp_path)


def test_without_an_engine_the_script_says_what_to_install(engines: Engines) -> None:
    done = engines.run()
    assert done.returncode == 2
    assert done.stderr == (
        "cannot build the image: no container engine is here: install docker, podman or buildah, "
        "or build where one is\n"
    )


def test_a_docker_without_its_daemon_is_told_apart(engines: Engines) -> None:
    engines.add("docker", "exit 1")
    done = engines.run()
    assert done.returncode == 2
    assert "its daemon does not answer" in done.stderr


def test_podman_takes_over_where_dockers_daemon_is_away(engines: Engines) -> None:
    engines.add("docker", "exit 1")
    engines.add("podman")
    done = engines.run("--check")
    assert done.returncode == 0
    assert "with podman" in done.stdout


def test_the_cpu_variant_asks_for_its_index(engines: Engines) -> None:
    engines.add("podman")
    done = engines.run()
    assert done.returncode == 2
    assert "TORCH_INDEX is not set" in done.stderr
    assert not any("build" in line for line in engines.said)


def test_the_base_is_pinned_by_the_digest_that_the_engine_found(engines: Engines) -> None:
    digest = "sha256:" + 64 * "a"
    engines.add("docker", f'case $1 in image) echo "python@{digest}" ;; esac')
    done = engines.run(TORCH_INDEX="https://mirror.example.org/cpu", IMAGE="example.org/bertmesh", PUSH="1")
    assert done.returncode == 0, done.stderr
    [build] = [line for line in engines.said if line.startswith("docker build ")]
    assert f"BASE_DIGEST=@{digest}" in build
    assert "--target full" in build
    assert "VARIANT=cpu" in build
    assert "--tag example.org/bertmesh:0.1.0 ." in build
    assert engines.said[-1] == "docker push example.org/bertmesh:0.1.0"


def test_the_cuda_variant_has_a_tag_of_its_own_and_needs_no_index(engines: Engines) -> None:
    engines.add("buildah")
    done = engines.run(VARIANT="cuda", TARGET="bare")
    assert done.returncode == 0, done.stderr
    assert "not pinned: set BASE_DIGEST" in done.stdout
    [build] = [line for line in engines.said if line.startswith("buildah bud ")]
    assert "--tag bertmesh:0.1.0-cuda ." in build
    assert "--target bare" in build


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({"VARIANT": "rocm"}, "use cpu or cuda"),
        ({"TARGET": "small"}, "use full or bare"),
        ({"MODELS": "nowhere"}, "no folder 'nowhere'"),
    ],
)
def test_a_wrong_setting_is_named(engines: Engines, env: dict[str, str], says: str) -> None:
    engines.add("podman")
    done = engines.run(**env)
    assert done.returncode == 2
    assert says in done.stderr


def test_every_argument_of_the_script_is_one_of_the_dockerfile(engines: Engines) -> None:
    known = {each.value[0].partition("=")[0] for stage in stages().values() for each in stage.of("ARG")}
    engines.add("docker")
    done = engines.run(TORCH_INDEX="https://mirror.example.org/cpu", MODELS="models")
    assert done.returncode == 0, done.stderr
    [build] = [line for line in engines.said if line.startswith("docker build ")]
    passed = {each.partition("=")[0] for each in build.split("--build-arg ")[1:]}
    assert len(passed) > 1
    assert passed <= known


def test_shellcheck_has_nothing_to_say() -> None:
    words = [str(Path(sys.executable).with_name("shellcheck")), "--severity=style", str(SCRIPT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
