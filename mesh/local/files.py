"""The files that Envoy reads, and the one function that writes YAML.

Envoy notices a file only when another one is renamed over it; a file written in place is ignored.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from mesh.envoy import Options, render_bootstrap, render_clusters, render_endpoints, render_listener
from mesh.model import Mesh, Version
from modelstore.files import write_whole

TYPES: Final = ("lds", "cds", "eds", "rds")
WIDTH: Final = 120
# What some reader of YAML takes for a number or a truth value, though PyYAML's own reader does not.
AMBIGUOUS: Final = re.compile(r"[-+.]?[0-9][0-9a-fox_.:+-]*|y|n", re.IGNORECASE)


class PlainDumper(yaml.SafeDumper):
    """Writes YAML that says the same to every reader: no anchors, nothing that may be mistaken."""

    def ignore_aliases(self, data: object) -> bool:
        """Write a value again where it occurs again."""
        del data
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if AMBIGUOUS.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


PlainDumper.add_representer(str, _text)


def to_yaml(documents: Iterable[Mapping[str, Any]]) -> str:
    """Return the documents as YAML, in their order, with ``---`` between them."""
    return yaml.dump_all(
        list(documents), Dumper=PlainDumper, sort_keys=False, allow_unicode=True, width=WIDTH
    )


def write_yaml(path: Path, document: Mapping[str, Any]) -> None:
    """Replace ``path`` by ``document`` in one step, unless it holds just that already."""
    text = to_yaml([document])
    if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
        write_whole(path, text.encode())


class EnvoyFiles:
    """Envoy's folder, without the routes, which belong to the router."""

    def __init__(self, options: Options) -> None:
        """Make the folders, one a resource type: Envoy reads all of a folder again when one file changes."""
        self.options = options
        self.folder = Path(options.folder)
        for kind in TYPES:
            (self.folder / kind).mkdir(parents=True, exist_ok=True)

    def write_all(self, mesh: Mesh) -> None:
        """Write everything that Envoy needs to start, but for the routes."""
        write_yaml(Path(self.options.bootstrap_file), render_bootstrap(self.options))
        write_yaml(Path(self.options.listener_file), render_listener(mesh, self.options))
        self.write_clusters(mesh)

    def write_clusters(self, mesh: Mesh) -> None:
        """Write the versions and their pods; files of versions that are gone are removed."""
        # Endpoints first: a cluster is not used before its endpoints were read.
        for version in mesh.versions:
            self.write_endpoints(version)
        write_yaml(Path(self.options.clusters_file), render_clusters(mesh, self.options))
        wanted = {Path(self.options.endpoints_file(name)) for name in mesh.names}
        for stale in set((self.folder / "eds").glob("*.yaml")) - wanted:
            stale.unlink()

    def write_endpoints(self, version: Version) -> None:
        """Write the pods of one version."""
        write_yaml(Path(self.options.endpoints_file(version.name)), render_endpoints(version))

    def command(self, envoy: Path, *, concurrency: int = 2) -> list[str]:
        """Return the command line that starts Envoy on this folder; its log goes to standard error."""
        return [
            str(envoy),
            *("--config-path", self.options.bootstrap_file),
            *("--concurrency", str(concurrency)),
            "--disable-hot-restart",
            "--reject-unknown-dynamic-fields",
            # Rejected routes are explained at this level, and only there.
            *("--log-level", "warning"),
            *("--file-flush-interval-msec", "1000"),
        ]
