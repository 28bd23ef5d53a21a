"""The servers that are measured: how each is started and asked."""

import dataclasses
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
FEATURES, FILL_MASK = "features", "fill-mask"
PEERS = "peers"
ENVIRONMENTS = (PEERS, "bentoml", "infinity")
"""The peers' environments: `peers/requirements-<name>.txt` is what each holds."""
ABSENT = "absent:"


@dataclass(frozen=True)
class Material:
    """What the contestants work with."""

    model: Path
    onnx: Path
    conversions: Path
    """The pod's cache folder."""
    peers: Mapping[str, Path | None]
    """The Python of each of the peers' environments; None for one that could not be installed."""
    threads: int


@dataclass(frozen=True)
class Contestant:
    """A server: its command, environment and path; ``{port}`` is replaced in command and environment."""

    name: str
    task: str
    command: Sequence[str]
    path: str
    env: Mapping[str, str] = dataclasses.field(default_factory=dict)
    field: str = "text"
    """Where the body has the text; in a list of one where it is another name."""

    @property
    def missing(self) -> str | None:
        """The environment that could not be installed, if it is one of those."""
        return self.command[0].removeprefix(ABSENT) if self.command[0].startswith(ABSENT) else None

    def body(self, text: str) -> bytes:
        """Return the body of a request."""
        content = text if self.field == "text" else [text]
        return json.dumps({self.field: content}, ensure_ascii=False).encode()

    def at(self, port: int) -> tuple[list[str], dict[str, str]]:
        """Return command and environment for a port."""
        command = [word.replace("{port}", str(port)) for word in self.command]
        return command, {name: value.replace("{port}", str(port)) for name, value in self.env.items()}


def contestants(material: Material) -> dict[str, Contestant]:
    """Return the contestants by name."""
    everyone = [
        pod("ours int8", FEATURES, material, "int8"),
        pod("ours bf16", FEATURES, material, "bf16"),
        pod("ours torch", FEATURES, material, "torch"),
        pod("ours int8 fill-mask", FILL_MASK, material, "int8"),
        mosec("mosec ort-int8", FEATURES, material, "ort"),
        mosec("mosec torch fill-mask", FILL_MASK, material, "torch"),
        litserve("litserve ort-int8", material, "ort"),
        litserve("litserve torch", material, "torch"),
        bentoml("bentoml torch", material),
        infinity("infinity torch", material),
        pipeline("pipeline", material, {}),
        pipeline("pipeline one-thread", material, {"OMP_NUM_THREADS": "1"}),
    ]
    return {each.name: each for each in everyone}


def pod(name: str, task: str, material: Material, engine: str) -> Contestant:
    """Return our pod as it is started everywhere, with an engine of its own."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:service.server.gunicorn_conf"]
    return Contestant(
        name,
        task,
        [*command, "service.api.app:create_app()"],
        "/fill-mask" if task == FILL_MASK else "/feature-extraction",
        {
            "BERTMESH_BIND": "127.0.0.1:{port}",
            "BERTMESH_MODEL": str(material.model),
            "BERTMESH_CACHE_DIR": str(material.conversions),
            "BERTMESH_ENGINE": engine,
            "BERTMESH_THREADS": str(material.threads),
            "BERTMESH_LOG_LEVEL": "WARNING",
            "BERTMESH_CACHE_LOCAL_BYTES": "0",
            "PYTHONPATH": str(HERE.parent.parent),
        },
    )


def mosec(name: str, task: str, material: Material, worker: str) -> Contestant:
    """Return mosec with one of its two workers."""
    command = [_python(material, PEERS), str(HERE / "peers" / "mosec_server.py"), "--port", "{port}"]
    return Contestant(
        name,
        task,
        [*command, "--timeout", "20000"],
        "/inference",
        {**_peer(material), "BENCH_WORKER": worker},
    )


def litserve(name: str, material: Material, worker: str) -> Contestant:
    """Return LitServe with one of its two workers."""
    command = [_python(material, PEERS), str(HERE / "peers" / "litserve_server.py")]
    env = {**_peer(material), "BENCH_PORT": "{port}", "BENCH_WORKER": worker}
    return Contestant(name, FEATURES, command, "/predict", env)


def bentoml(name: str, material: Material) -> Contestant:
    """Return BentoML with torch; it takes lists only."""
    serve = ["serve", "bentoml_server:Features", "--working-dir", str(HERE / "peers"), "--port", "{port}"]
    command = [_python(material, "bentoml"), "-m", "bentoml", *serve]
    quiet = {"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": str(material.conversions.parent / "bentoml")}
    return Contestant(name, FEATURES, command, "/features", {**_peer(material), **quiet}, field="texts")


def infinity(name: str, material: Material) -> Contestant:
    """Return infinity with torch; its vectors are those of [CLS] or means, as it chooses."""
    script = str(HERE / "peers" / "infinity_server.py")
    quiet = {"DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1", "INFINITY_ANONYMOUS_USAGE_STATS": "0"}
    env = {**_peer(material), **quiet, "BENCH_PORT": "{port}"}
    return Contestant(
        name, FEATURES, [_python(material, "infinity"), script], "/embeddings", env, field="input"
    )


def pipeline(name: str, material: Material, env: Mapping[str, str]) -> Contestant:
    """Return a pipeline in Flask under gunicorn."""
    gunicorn = [_python(material, PEERS), "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--threads", "32"]
    command = [*gunicorn, "--timeout", "120", "--chdir", str(HERE / "peers"), "pipeline_flask:app"]
    return Contestant(name, FEATURES, command, "/features", {**_peer(material), **env})


def _python(material: Material, environment: str) -> str:
    return str(material.peers[environment] or f"{ABSENT}{environment}")


def _peer(material: Material) -> dict[str, str]:
    return {
        "BENCH_MODEL": str(material.model),
        "BENCH_ONNX": str(material.onnx),
        "BENCH_THREADS": str(material.threads),
    }
