import signal
import subprocess
import sys
from pathlib import Path

import pytest
import urllib3
from click.testing import CliRunner

from bertmesh.commands.cli import cli
from bertmesh.local.ports import free_ports
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import rollout
from tests.support.processes import LIMIT_S, wait_until


def test_the_console_is_served_without_a_mesh_and_ends_on_a_signal(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    words = [sys.executable, "-m", "bertmesh", "console", "--home", str(tmp_path), "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert f"http://127.0.0.1:{port}/" in process.stdout.readline().decode()
            wait_until(lambda: answer(port) is not None, "the console answers")
            assert "No controller has run here yet" in (answer(port) or "")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0


def test_the_console_of_a_cluster_is_served_by_one_command(tmp_path: Path) -> None:
    port = free_ports(1)[0]
    with mesh_api() as api:
        api.create(rollout("zh"))
        config = str(api.kubeconfig(tmp_path / "config"))
        words = ["-n", "default", "--kubeconfig", config, "--port", str(port)]
        with subprocess.Popen([sys.executable, "-m", "bertmesh", "console", *words]) as process:
            try:
                wait_until(lambda: answer(port) is not None, "the console answers")
                assert "No controller has run here yet" in (answer(port) or "")
                assert any(seen.path.endswith("/namespaces/default/modelrollouts") for seen in api.seen)
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(LIMIT_S) == 0


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--bind", "0.0.0.0"], "name it with --allow-host"),  # noqa: S104 - that is what is refused
        (["--bind", "my-laptop"], "--bind takes an IP address, got 'my-laptop'"),
        (["--cluster"], "say what of the cluster is shown: --namespace NS"),
        (["--cluster", "-A", "-n", "default"], "say what of the cluster is shown: --namespace NS"),
        (["-A", "-n", "default"], "say what of the cluster is shown: --namespace NS"),
        (["--context", "kind"], "say what of the cluster is shown: --namespace NS"),
    ],
)
def test_it_listens_to_others_only_if_that_is_said(tmp_path: Path, words: list[str], sentence: str) -> None:
    result = CliRunner().invoke(cli, ["console", "--home", str(tmp_path), *words])
    assert result.exit_code == 2
    assert sentence in result.output


@pytest.mark.parametrize("words", [["-n", "models"], ["-A"], ["--cluster", "-n", "models"]])
def test_a_namespace_means_a_cluster(tmp_path: Path, words: list[str]) -> None:
    missing = str(tmp_path / "none")
    runner = CliRunner(env={"KUBECONFIG": missing})
    result = runner.invoke(cli, ["console", "--port", str(free_ports(1)[0]), *words])
    assert result.exit_code == 1
    assert missing in result.output


def test_a_bad_setting_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner(env={"BERTMESH_CONSOLE_IDENTITY_HEADER": "x user"}).invoke(
        cli, ["console", "--home", str(tmp_path), "--port", str(free_ports(1)[0])]
    )
    assert result.exit_code == 1
    assert "give the name of one HTTP header" in result.output


def answer(port: int) -> str | None:
    """Return the page, or None while nobody listens."""
    try:
        return urllib3.request("GET", f"http://127.0.0.1:{port}/", retries=False, timeout=2).data.decode()
    except urllib3.exceptions.HTTPError:
        return None
