"""The servers that are measured: how each is started and asked."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
FEATURES, FILL_MASK = "features", "fill-mask"


@dataclass(frozen=True)
class Material:
    """What the contestants work with."""

    model: Path
    onnx: Path
    conversions: Path
    """The pod's cache folder."""
    peers: Path
    """The Python of the peers' environment."""
    threads: int


@dataclass(frozen=True)
class Contestant:
    """A server: its command, environment and path; ``{port}`` is replaced in command and environment."""

    name: str
    task: str
    command: Sequence[str]
    path: str
    env: Mapping[str, str] = field(default_factory=dict)

    def at(self, port: int) -> tuple[list[str], dict[str, str]]:
        """Return command and environment for a port."""
        command = [word.replace("{port}", str(port)) for word in self.command]
        return command, {name: value.replace("{port}", str(port)) for name, value in self.env.items()}


def contestants(material: Material) -> dict[str, Contestant]:
    """Return the contestants by name."""
    everyone = [
        pod("ours int8", FEATURES, material, "int8"),
        pod("ours int8-50", FEATURES, material, "int8-50"),
        pod("ours bf16", FEATURES, material, "bf16"),
        pod("ours torch", FEATURES, material, "torch"),
        pod("ours int8 fill-mask", FILL_MASK, material, "int8"),
        mosec("mosec ort-int8", FEATURES, material, "ort"),
        mosec("mosec torch fill-mask", FILL_MASK, material, "torch"),
        litserve("litserve ort-int8", material),
        pipeline("pipeline", material, {}),
        pipeline("pipeline one-thread", material, {"OMP_NUM_THREADS": "1"}),
    ]
    return {each.name: each for each in everyone}


def pod(name: str, task: str, material: Material, engine: str) -> Contestant:
    """Return our pod as it is started everywhere, with an engine of its own."""
    command = [sys.executable, "-m", "gunicorn", "-c", "python:service.gunicorn_conf"]
    return Contestant(
        name,
        task,
        [*command, "service.app:create_app()"],
        "/fill-mask" if task == FILL_MASK else "/feature-extraction",
        {
            "BERTMESH_BIND": "127.0.0.1:{port}",
            "BERTMESH_MODEL": str(material.model),
            "BERTMESH_CACHE_DIR": str(material.conversions),
            "BERTMESH_ENGINE": engine,
            "BERTMESH_THREADS": str(material.threads),
            "BERTMESH_LOG_LEVEL": "WARNING",
            "PYTHONPATH": str(HERE.parent.parent),
        },
    )


def mosec(name: str, task: str, material: Material, worker: str) -> Contestant:
    """Return mosec with one of its two workers."""
    command = [str(material.peers), str(HERE / "peers" / "mosec_server.py"), "--port", "{port}"]
    return Contestant(
        name,
        task,
        [*command, "--timeout", "20000"],
        "/inference",
        {**_peer(material), "BENCH_WORKER": worker},
    )


def litserve(name: str, material: Material) -> Contestant:
    """Return LitServe with ONNX Runtime."""
    command = [str(material.peers), str(HERE / "peers" / "litserve_server.py")]
    return Contestant(name, FEATURES, command, "/predict", {**_peer(material), "BENCH_PORT": "{port}"})


def pipeline(name: str, material: Material, env: Mapping[str, str]) -> Contestant:
    """Return a pipeline in Flask under gunicorn."""
    gunicorn = [str(material.peers), "-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--threads", "32"]
    command = [*gunicorn, "--timeout", "120", "--chdir", str(HERE / "peers"), "pipeline_flask:app"]
    return Contestant(name, FEATURES, command, "/features", {**_peer(material), **env})


def _peer(material: Material) -> dict[str, str]:
    return {
        "BENCH_MODEL": str(material.model),
        "BENCH_ONNX": str(material.onnx),
        "BENCH_THREADS": str(material.threads),
    }
