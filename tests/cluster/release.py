"""A release of the chart on the control plane, as Helm makes it."""

import json
import subprocess
from collections.abc import Mapping
from typing import Any

from tests.cluster.control_plane import ControlPlane, Document
from tests.support.helm import helm


def run_helm(
    plane: ControlPlane, namespace: str, *words: str, values: Mapping[str, Any] | None = None
) -> str:
    """Run Helm to its end, hooks included; return what it prints."""
    where = ["--namespace", namespace, "--kubeconfig", str(plane.kubeconfig), "--timeout", "600s"]
    done = subprocess.run(
        [str(helm()), *words, *where, *([] if values is None else ["--values", "-"])],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=False,
        env={"HOME": str(plane.folder), "PATH": ""},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pods_of(plane: ControlPlane, namespace: str, component: str) -> list[Document]:
    """Return the release's pods of a component."""
    words = ("--namespace", namespace, "--selector", f"app.kubernetes.io/component={component}")
    found: list[Document] = json.loads(plane.kubectl("get", "pods", *words, "--output", "json"))["items"]
    return found
