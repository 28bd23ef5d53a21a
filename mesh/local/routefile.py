"""The route file, read back: it is the truth about the split, so no second copy can disagree with it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mesh.envoy import render_routes
from mesh.envoy.clusters import version_of
from mesh.envoy.routes import SPLIT_ROUTE
from mesh.errors import InvalidMesh, UnreadableRoutes
from mesh.local.files import to_yaml
from mesh.model import Mesh, Split, Weights
from mesh.policy import MAX_PERCENT
from mesh.shadow import MILLION, mirror_of
from modelstore.files import write_whole


@dataclass(frozen=True)
class Routes:
    """Rendered routes: their text, and the version by which Envoy will name them."""

    version: str
    text: str

    @classmethod
    def of(cls, mesh: Mesh) -> "Routes":
        """Render the routes of ``mesh``."""
        document = render_routes(mesh)
        return cls(version=document["version_info"], text=to_yaml([document]))


class RouteFile:
    """The file, and beside Envoy's folders a copy of the last one that Envoy was seen to serve."""

    def __init__(self, folder: Path) -> None:
        """Take Envoy's folder."""
        self.path = folder / "rds" / "routes.yaml"
        self._good = folder / "routes.good.yaml"

    def text(self) -> str:
        """Return what is written, or nothing."""
        return _read(self.path)

    def write(self, text: str) -> None:
        """Replace the file, in a way that Envoy notices."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(self.path, text.encode())

    def keep(self, text: str) -> None:
        """Remember that Envoy serves ``text``."""
        if _read(self._good) != text:
            write_whole(self._good, text.encode())

    def restore(self, otherwise: str) -> None:
        """Put back what Envoy was last seen to serve, or else the text ``otherwise``, unless it is empty."""
        text = _read(self._good) or otherwise
        if text:
            self.write(text)

    def split(self) -> Split:
        """Return the split that the file holds.

        Raises:
            UnreadableRoutes: there is no file, or no split in it.
        """
        try:
            return _split(yaml.safe_load(self.path.read_text(encoding="utf-8")))
        except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
            raise UnreadableRoutes(self.path, f"{type(error).__name__}: {error}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _split(document: Any) -> Split:  # noqa: ANN401 - YAML has no narrower type
    routes = document["resources"][0]["virtual_hosts"][0]["routes"]
    action = next(route["route"] for route in routes if route.get("name") == SPLIT_ROUTE)
    clusters = action["weighted_clusters"]["clusters"]
    weights = {version_of(cluster["name"]): cluster["weight"] for cluster in clusters}
    whole = MILLION if action.get("request_mirror_policies") else MAX_PERCENT
    if sum(weights.values()) != whole:
        message = f"the weights are {weights} and should add up to {whole}"
        raise InvalidMesh(message)
    stable, *canaries = weights
    if not canaries:
        return Split(stable)
    [canary] = canaries
    share = Weights(round(MAX_PERCENT * weights[canary] / whole))
    return Split(stable, canary, share, _mirror(action, share))


def _mirror(action: dict[str, Any], weights: Weights) -> int:
    for policy in action.get("request_mirror_policies", []):
        return mirror_of(policy["runtime_fraction"]["default_value"]["numerator"], weights.stable)
    return 0
