"""Where the local Envoy listens, reads and writes."""

from dataclasses import dataclass

from mesh.errors import InvalidMesh

LOOPBACK = "127.0.0.1"
ROUTES_NAME = "bertmesh"
STAT_PREFIX = "gateway"


@dataclass(frozen=True)
class Options:
    """The local part of Envoy's configuration: nothing in it changes while Envoy runs.

    ``folder`` holds the folders ``lds``, ``cds``, ``eds`` and ``rds`` (an absolute path); ``access_log`` is
    a file; ``collector`` is the base URL of an OTLP/HTTP receiver, or None: then no spans are made.
    """

    folder: str
    port: int
    admin_port: int
    access_log: str = "/dev/stdout"
    collector: str | None = None

    def __post_init__(self) -> None:
        if not self.folder.startswith("/"):
            message = f"Envoy's folder must be an absolute path, got {self.folder!r}"
            raise InvalidMesh(message)

    @property
    def bootstrap_file(self) -> str:
        """What Envoy is started with."""
        return f"{self.folder}/bootstrap.yaml"

    @property
    def listener_file(self) -> str:
        """The listener (LDS)."""
        return f"{self.folder}/lds/listener.yaml"

    @property
    def clusters_file(self) -> str:
        """The clusters, one a version (CDS)."""
        return f"{self.folder}/cds/clusters.yaml"

    @property
    def routes_file(self) -> str:
        """The routes (RDS): the file that the router owns."""
        return f"{self.folder}/rds/routes.yaml"

    def endpoints_file(self, version: str) -> str:
        """The pods of one version (EDS)."""
        return f"{self.folder}/eds/{version}.yaml"
