"""What `bertmesh status` shows."""

from typing import Any

from bertmesh.commands.output import aligned
from bertmesh.local.envoy_files import split_on_disk
from bertmesh.local.home import Home
from bertmesh.local.workloads import WorkloadFiles


def mesh_status(home: Home) -> dict[str, Any]:
    """Return the state of a running mesh as a JSON document.

    Raises:
        MeshNotRunning: none runs in this home.
    """
    info = home.info()
    workloads = WorkloadFiles(home)
    split = split_on_disk(home)
    shares = split.shares if split else ()
    return {
        "home": str(home.root),
        "ready": info.ready,
        "urls": {
            "gateway": info.gateway,
            "console": info.console,
            "prometheus": info.prometheus,
            "envoy": info.envoy_admin,
        },
        "split": [{"version": version, "weight": weight} for version, weight in shares],
        "processes": {
            name: {"pid": process.pid, "restarts": process.starts - 1}
            for name, process in home.processes().items()
        },
        "versions": {
            name: {
                "model": spec.model,
                "fault": spec.fault,
                "wanted": workloads.wanted(name),
                "ready": workloads.observed(name).ready,
                "message": workloads.observed(name).message,
            }
            for name, spec in home.versions().items()
        },
    }


def status_text(document: dict[str, Any]) -> str:
    """Return the document for people."""
    urls = document["urls"]
    split = ", ".join(f"{share['version']} {share['weight']} %" for share in document["split"])
    rows = [("version", "model", "pods ready", "note")]
    for name, version in document["versions"].items():
        note = version["message"] or (f"fault {version['fault']}" if version["fault"] else "")
        rows.append((name, version["model"], f"{version['ready']}/{version['wanted']}", note))
    restarts = {name: one["restarts"] for name, one in document["processes"].items() if one["restarts"]}
    return "\n".join(
        [
            f"console {urls['console']} (rollouts: look, pause, promote, abort)",
            f"gateway {urls['gateway']}   Prometheus {urls['prometheus']}   Envoy {urls['envoy']}",
            f"split   {split or 'none yet'}{'' if document['ready'] else '   (starting)'}",
            aligned(rows),
            "restarts " + (", ".join(f"{name} {count}" for name, count in restarts.items()) or "none"),
        ]
    )
