"""The testdata pairs: `NAME.in.yaml` is a mesh, `NAME.KIND.out.yaml` what is rendered from it.

`make generate` rewrites the outputs; read the diff before you commit it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from mesh import envoy, istio
from mesh.local.files import to_yaml
from mesh.model import Endpoint, Mesh, Split, Version, Weights
from mesh.policy import ConnectionPool, Jwt, OutlierDetection, Policy, Retries

TESTDATA = Path(__file__).parent / "testdata"
OPTIONS = envoy.Options("/srv/envoy", 8080, 9901, "/srv/access.log", "http://127.0.0.1:4318")
PARTS = {
    "retries": Retries,
    "outlier_detection": OutlierDetection,
    "connection_pool": ConnectionPool,
    "jwt": Jwt,
}

RENDERERS: dict[str, Callable[[Mesh], str]] = {
    "istio": lambda mesh: to_yaml(istio.render(mesh)),
    "routes": lambda mesh: to_yaml([envoy.render_routes(mesh)]),
    "clusters": lambda mesh: to_yaml(
        [envoy.render_clusters(mesh, OPTIONS), *map(envoy.render_endpoints, mesh.versions)]
    ),
    "listener": lambda mesh: to_yaml([envoy.render_bootstrap(OPTIONS), envoy.render_listener(mesh, OPTIONS)]),
}


def load(path: Path) -> tuple[Mesh, list[str]]:
    """Return the mesh of an input, and which outputs it has."""
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    versions = tuple(Version(name, _pods(name, ports)) for name, ports in given["versions"].items())
    split = dict(given["split"])
    weights = Weights(split.pop("canary_weight", 0))
    hosts = tuple(given.get("hosts", ["*"]))
    mesh = Mesh("bert", "models", versions, Split(weights=weights, **split), _policy(given), hosts)
    return mesh, given["render"]


def outputs(path: Path) -> dict[Path, str]:
    """Return what the outputs of an input should hold."""
    mesh, kinds = load(path)
    name = path.name.removesuffix(".in.yaml")
    return {path.with_name(f"{name}.{kind}.out.yaml"): RENDERERS[kind](mesh) for kind in kinds}


def inputs() -> list[Path]:
    """Return all inputs."""
    return sorted(TESTDATA.glob("*.in.yaml"))


def _pods(version: str, ports: list[int]) -> tuple[Endpoint, ...]:
    return tuple(Endpoint(f"bert-{version}-{i}", "127.0.0.1", port) for i, port in enumerate(ports))


def _policy(given: dict[str, Any]) -> Policy:
    fields = {
        name: PARTS[name](**_tuples(value)) if name in PARTS else value
        for name, value in given.get("policy", {}).items()
    }
    return Policy(**fields)


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}


def wanted() -> dict[Path, str]:
    """Return every output with what it should hold."""
    return {path: text for source in inputs() for path, text in outputs(source).items()}
