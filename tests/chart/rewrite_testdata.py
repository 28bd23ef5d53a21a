"""The testdata pairs: `NAME.in.yaml` are values, `NAME.out.yaml` what the mesh gets of them.

`make generate` rewrites the outputs; read the diff before you commit it.
"""

from pathlib import Path

import yaml

from mesh.local.files import to_yaml
from tests.chart.harness import OWN_API, render

TESTDATA = Path(__file__).parent / "testdata"
GROUPS = ("istio.io/", "gateway.networking.k8s.io/", "bertmesh.dev/")


def inputs() -> list[Path]:
    """Return all inputs."""
    return sorted(TESTDATA.glob("*.in.yaml"))


def output_of(path: Path) -> Path:
    """Return the output's file of an input."""
    return path.with_name(path.name.replace(".in.yaml", ".out.yaml"))


def rendered(path: Path) -> str:
    """Return what the output of an input should hold."""
    found = render(yaml.safe_load(path.read_text(encoding="utf-8")), apis=[OWN_API])
    documents = [each for each in found.objects if any(group in each["apiVersion"] for group in GROUPS)]
    # Labels are the same on all objects, and of no interest here.
    plain = [
        {**each, "metadata": {key: value for key, value in each["metadata"].items() if key != "labels"}}
        for each in documents
    ]
    return to_yaml(sorted(plain, key=lambda each: (each["kind"], each["metadata"]["name"])))


def wanted() -> dict[Path, str]:
    """Return every output with what it should hold."""
    return {output_of(path): rendered(path) for path in inputs()}
