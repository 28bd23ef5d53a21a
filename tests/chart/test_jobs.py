"""The scripts of the chart's jobs, run as the jobs run them, against an API server with their own rights."""

import base64
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

from tests.chart.harness import CHART, NAMESPACE, Document, render
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import OWN

SCRIPTS = CHART / "files"


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """An API server that knows our kind."""
    with KubeApi([OWN], namespaces=[NAMESPACE]) as api:
        yield api


def granted(api: KubeApi, name: str, values: Mapping[str, object] | None = None) -> str:
    """Give a token the rights that the chart gives to the account ``name``, and return it."""
    api.grant(name, [render(values).one("Role", name)])
    return name


def run(api: KubeApi, folder: Path, token: str, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script with the account of a pod."""
    account = folder / "account"
    account.mkdir(exist_ok=True)
    (account / "token").write_text(token)
    (account / "namespace").write_text(NAMESPACE)
    named = {"BERTMESH_ACCOUNT_DIR": str(account), "BERTMESH_API_URL": api.url, "PATH": os.environ["PATH"]}
    command = [sys.executable, *words]
    return subprocess.run(
        command, check=False, env={**named, **env}, capture_output=True, text=True, timeout=60, cwd=SCRIPTS
    )


def arguments(job: str) -> Sequence[str]:
    [container] = render().one("Job", job)["spec"]["template"]["spec"]["containers"]
    found: list[str] = container["args"]
    return found


def read(secret: Document) -> dict[str, str]:
    return {key: base64.b64decode(value).decode() for key, value in secret["data"].items()}


def test_the_password_is_made_once_and_never_changed(api: KubeApi, tmp_path: Path) -> None:
    token = granted(api, "bert-secret")
    first = run(api, tmp_path, token, "cluster.py", *arguments("bert-secret"))
    assert first.returncode == 0, first.stderr
    made = read(api.get("Secret", "bert-redis", NAMESPACE))
    assert made["url"] == f"redis://:{made['password']}@bert-redis:6379/0"
    assert len(made["password"]) >= 32
    assert made["password"] not in first.stdout + first.stderr
    again = run(api, tmp_path, token, "cluster.py", *arguments("bert-secret"))
    assert again.returncode == 0
    assert read(api.get("Secret", "bert-redis", NAMESPACE)) == made


def test_a_refusal_is_told_in_a_sentence(api: KubeApi, tmp_path: Path) -> None:
    done = run(api, tmp_path, "nobody", "cluster.py", "secret", "bert-redis", "bert-redis")
    assert done.returncode == 1
    assert "Secret bert-redis could not be made (40" in done.stderr
    assert "Traceback" not in done.stderr


def begun(api: KubeApi, *finalizers: str) -> None:
    rollout = render({"rollout": {"enabled": True}}, apis=["bertmesh.dev/v1alpha1"]).one(
        "ModelRollout", "bert"
    )
    api.create({**rollout, "metadata": {**rollout["metadata"], "finalizers": list(finalizers)}})


def conditions(api: KubeApi, status: str, message: str) -> None:
    ready = {"type": "Ready", "status": status, "reason": "R", "message": message}
    stamp = {"lastTransitionTime": "2026-01-01T00:00:00Z"}
    api.edit_status("ModelRollout", "bert", {"conditions": [{**ready, **stamp}]}, namespace=NAMESPACE)


def test_an_installation_waits_until_the_route_is_made(api: KubeApi, tmp_path: Path) -> None:
    begun(api)
    conditions(api, "False", "there is no Deployment")
    threading.Timer(0.7, conditions, (api, "True", "the route holds what the controller wants")).start()
    done = run(api, tmp_path, granted(api, "bert-ready"), "cluster.py", *arguments("bert-ready"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "ModelRollout bert is ready: the route holds what the controller wants\n"


@pytest.mark.parametrize(
    ("status", "message", "said"),
    [
        ("False", "there is no Deployment bert-v1-0", "there is no Deployment bert-v1-0"),
        ("", "", "its controller has not said anything yet"),
    ],
)
def test_an_installation_without_a_route_says_why(
    api: KubeApi, tmp_path: Path, status: str, message: str, said: str
) -> None:
    begun(api)
    if status:
        conditions(api, status, message)
    token = granted(api, "bert-ready")
    done = run(api, tmp_path, token, "cluster.py", *arguments("bert-ready"), BERTMESH_PATIENCE_S="0.2")
    assert done.returncode == 1
    assert done.stderr == f"ModelRollout bert is not ready after 0.2 s: {said}\n"


def test_without_a_controller_nobody_waits_for_it() -> None:
    names = {job["metadata"]["name"] for job in render({"controller": {"enabled": False}}).all("Job")}
    assert "bert-ready" not in names
    assert "bert-farewell" in names


def test_the_farewell_waits_for_the_controller(api: KubeApi, tmp_path: Path) -> None:
    begun(api, "bertmesh.dev/traffic")

    def controller() -> None:
        api.edit("ModelRollout", "bert", {"metadata": {"finalizers": None}}, namespace=NAMESPACE)

    timer = threading.Timer(0.7, controller)
    timer.start()
    done = run(api, tmp_path, granted(api, "bert-farewell"), "cluster.py", *arguments("bert-farewell"))
    timer.join()
    assert (done.returncode, done.stdout) == (0, "ModelRollout bert is gone\n"), done.stderr
    assert not api.has("ModelRollout", "bert", NAMESPACE)


def test_the_farewell_holds_nothing_up_for_ever(api: KubeApi, tmp_path: Path) -> None:
    begun(api, "bertmesh.dev/traffic")
    token = granted(api, "bert-farewell")
    done = run(api, tmp_path, token, "cluster.py", *arguments("bert-farewell"), BERTMESH_PATIENCE_S="0.6")
    assert done.returncode == 0, done.stderr
    assert "without its controller" in done.stdout
    assert not api.has("ModelRollout", "bert", NAMESPACE)


def test_the_farewell_of_what_is_gone_is_short(api: KubeApi, tmp_path: Path) -> None:
    done = run(api, tmp_path, granted(api, "bert-farewell"), "cluster.py", *arguments("bert-farewell"))
    assert (done.returncode, done.stdout) == (0, "ModelRollout bert is gone\n")


def predicts(api: KubeApi, folder: Path, url: str, **env: str) -> subprocess.CompletedProcess[str]:
    [container] = render().one("Pod", "bert-test")["spec"]["containers"]
    given = {each["name"]: each["value"] for each in container["env"] if each["name"].startswith("BERTMESH_")}
    named = {**given, "BERTMESH_URL": url, "BERTMESH_REQUESTS": "60", **env}
    return run(api, folder, granted(api, "bert-test"), "check.py", **named)


def shown(api: KubeApi, **status: object) -> None:
    begun(api)
    api.edit_status("ModelRollout", "bert", status, namespace=NAMESPACE)


class Predictor(BaseHTTPRequestHandler):
    """Answers predictions as version 1.0 does; every third one has to come again, and some need a token."""

    asked = count(1)
    token = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self.send_error(403)
            return
        if next(self.asked) % 3 == 0:
            self.send_response(429)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = b'{"result": [{"token": "x", "score": 0.9}]}'
        self.send_response(200)
        self.send_header("x-model-version", "1.0")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    """Where version 1.0 answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Predictor)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_helm_test_passes_when_every_version_gets_its_share(api: KubeApi, url: str, tmp_path: Path) -> None:
    shown(api, stable="1.0", phase="Pending")
    done = predicts(api, tmp_path, url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout


def test_helm_test_has_the_token_that_a_secret_holds(
    api: KubeApi, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Predictor, "token", "ey.J.x")
    shown(api, stable="1.0", phase="Pending")
    without = predicts(api, tmp_path, url, BERTMESH_PATIENCE_S="0.2")
    assert "the last status was 403: name a token in mesh.jwt.ownToken, if it wants one" in without.stderr
    (tmp_path / "token").write_text("ey.J.x\n")
    done = predicts(api, tmp_path, url, BERTMESH_TOKEN_FILE=str(tmp_path / "token"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_token_of_the_release_s_own_is_mounted_where_it_is_looked_for() -> None:
    jwt = {"enabled": True, "issuer": "https://login.example.com", "jwks": "{}"}
    found = render({"mesh": {"jwt": {**jwt, "ownToken": {"existingSecret": "mine", "key": "jwt"}}}})
    pods = [found.one("Pod", "bert-test"), found.one("Deployment", "bert-controller")["spec"]["template"]]
    for pod in pods:
        [container] = pod["spec"]["containers"]
        [volume] = [each for each in pod["spec"]["volumes"] if "secret" in each]
        assert volume["secret"] == {"secretName": "mine", "items": [{"key": "jwt", "path": "token"}]}
        [place] = [each["mountPath"] for each in container["volumeMounts"] if each["name"] == volume["name"]]
        assert place == "/run/bertmesh"
    assert f"--token-file={place}/token" in container["args"]


def test_helm_test_fails_when_the_canary_gets_nothing(api: KubeApi, url: str, tmp_path: Path) -> None:
    shown(api, stable="1.0", canary="1.1", phase="Progressing", weightProved=50)
    done = predicts(api, tmp_path, url)
    assert done.returncode == 1
    assert "0 of 60 answers from 1.1, 30 +-" in done.stdout


def test_helm_test_fails_when_an_unknown_version_answers(api: KubeApi, url: str, tmp_path: Path) -> None:
    shown(api, stable="1.0", phase="Pending")
    done = predicts(api, tmp_path, url, BERTMESH_VERSIONS="2.0")
    assert done.returncode == 1
    assert "'1.0', which is no version" in done.stdout


def test_helm_test_says_that_nobody_answers(api: KubeApi, url: str, tmp_path: Path) -> None:
    done = predicts(api, tmp_path, url, BERTMESH_URL="http://127.0.0.1:9", BERTMESH_PATIENCE_S="0.1")
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:9/fill-mask" in done.stderr


def test_what_the_jobs_mount_is_the_script_in_the_repository() -> None:
    for owner, name in (
        ("bert-secret", "cluster.py"),
        ("bert-farewell", "cluster.py"),
        ("bert-test", "check.py"),
    ):
        assert render().one("ConfigMap", owner)["data"][name].strip() == (SCRIPTS / name).read_text().strip()
    assert json.dumps(arguments("bert-secret")) == '["secret", "bert-redis", "bert-redis"]'
