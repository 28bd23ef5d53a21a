"""What Envoy is started with: admin port, where the rest is read from, statistics."""

from typing import Final
from urllib.parse import urlsplit

from mesh.envoy.options import LOOPBACK, Options
from mesh.envoy.shapes import Config, address, duration, extension, file_source, typed
from mesh.errors import InvalidMesh

MAX_CONNECTIONS: Final = 4096
COLLECTOR_CLUSTER: Final = "otlp-collector"
NODE: Final = {"id": "bertmesh-gateway", "cluster": "gateway"}

BUCKETS_MS: Final = (
    1, 2.5, 5, 7.5, 10, 15, 20, 25, 35, 50, 75, 100, 150, 200, 250, 350, 500, 750,
    1000, 1500, 2500, 5000, 10000,
)  # fmt: skip
"""Bucket edges in milliseconds. Istio's own from 1 ms to 10 s are among them, so that a query names the
same edge in both homes; those between follow the latencies of BERT on a CPU."""


def render_bootstrap(options: Options) -> Config:
    """Return the bootstrap: everything that may change is read from the other files."""
    collector = [] if options.collector is None else [_collector_cluster(options.collector)]
    return {
        "node": dict(NODE),
        "admin": {"address": address(LOOPBACK, options.admin_port)},
        "dynamic_resources": {
            "lds_config": file_source(options.listener_file),
            "cds_config": file_source(options.clusters_file),
        },
        "static_resources": {"clusters": collector},
        # A histogram reads 0 until the next flush; Prometheus scrapes every second.
        "stats_flush_interval": duration(1),
        "overload_manager": {"resource_monitors": [_connection_limit()]},
        "stats_config": {"histogram_bucket_settings": [_buckets("istio_request_duration_milliseconds")]},
    }


def _connection_limit() -> Config:
    limit = typed(
        "extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig",
        max_active_downstream_connections=MAX_CONNECTIONS,
    )
    return extension("envoy.resource_monitors.global_downstream_max_connections", limit)


def _buckets(prefix: str) -> Config:
    # The labels' values follow in the name that is matched.
    return {"match": {"prefix": prefix}, "buckets": list(BUCKETS_MS)}


def _collector_cluster(url: str) -> Config:
    host, port = collector_address(url)
    endpoint = {"endpoint": {"address": address(host, port)}}
    return {
        "name": COLLECTOR_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": duration(1),
        "load_assignment": {"cluster_name": COLLECTOR_CLUSTER, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }


def collector_address(url: str) -> tuple[str, int]:
    """Return host and port of the collector's base URL.

    Raises:
        InvalidMesh: it is not ``http://host[:port]``.
    """
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        message = f"the collector must be like http://127.0.0.1:4318, got {url!r}"
        raise InvalidMesh(message)
    return parts.hostname, parts.port or 4318
