"""The versions as Envoy clusters, and their pods as endpoints."""

from typing import Final

from mesh.envoy.options import Options
from mesh.envoy.shapes import Config, address, duration, file_source, resources, typed
from mesh.model import Endpoint, Mesh, Version
from mesh.policy import ConnectionPool, OutlierDetection

SUBSET_NAMESPACE: Final = "istio"
POD_NAMESPACE: Final = "bertmesh"
HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
HEALTH_INTERVAL_S: Final = 0.5
# A pod whose two cores are busy with a long batch may answer late: that is no death.
HEALTH_TIMEOUT_S: Final = 2.0


def cluster_name(version: str) -> str:
    """Return the name of the cluster that serves ``version``."""
    return f"version|{version}"


def version_of(cluster: str) -> str:
    """Return the version that ``cluster`` serves: the inverse of `cluster_name`."""
    return cluster.removeprefix("version|")


def stat_name(version: str) -> str:
    """Return the cluster's name in Envoy's statistics, where a dot would split a metric's name.

    Version names hold no underscore, so no two versions share one.
    """
    return f"version_{version.replace('.', '_')}"


def render_clusters(mesh: Mesh, options: Options, *, version_info: str = "1") -> Config:
    """Return the clusters, one a version; each reads its endpoints from a file of its own."""
    clusters = [_cluster(mesh, version, options) for version in mesh.versions]
    return resources("config.cluster.v3.Cluster", clusters, version_info)


def render_endpoints(version: Version, *, version_info: str = "1") -> Config:
    """Return the pods of ``version``; none is fine, its requests are then answered with 503."""
    assignment = {
        "cluster_name": cluster_name(version.name),
        "endpoints": [{"lb_endpoints": [_endpoint(pod) for pod in version.endpoints]}],
    }
    return resources("config.endpoint.v3.ClusterLoadAssignment", [assignment], version_info)


def _cluster(mesh: Mesh, version: Version, options: Options) -> Config:
    pool = mesh.policy.connection_pool
    return {
        "name": cluster_name(version.name),
        "alt_stat_name": stat_name(version.name),
        "type": "EDS",
        "eds_cluster_config": {"eds_config": file_source(options.endpoints_file(version.name))},
        "metadata": {"filter_metadata": {SUBSET_NAMESPACE: {"subset": version.name}}},
        "connect_timeout": duration(pool.connect_timeout_s),
        "lb_policy": "LEAST_REQUEST",
        "common_lb_config": {
            # As in Istio: never fall back to pods that are known to be dead.
            "healthy_panic_threshold": {"value": 0},
            # By default a pod's first good check reaches the threads that route up to a second after Envoy
            # has counted the pod as healthy, and until then its requests fail.
            "update_merge_window": duration(0),
        },
        # A pod that is taken off the list gets no more requests, even while it still answers probes.
        "ignore_health_on_host_removal": True,
        "circuit_breakers": {"thresholds": [_thresholds(pool)]},
        "outlier_detection": _outlier_detection(mesh.policy.outlier_detection),
        "health_checks": [_health_check()],
        "typed_extension_protocol_options": {HTTP_OPTIONS: _http_options(pool)},
    }


def _endpoint(pod: Endpoint) -> Config:
    return {
        "endpoint": {"address": address(pod.host, pod.port)},
        "metadata": {"filter_metadata": {POD_NAMESPACE: {"pod": pod.pod}}},
    }


def _thresholds(pool: ConnectionPool) -> Config:
    return {
        "max_connections": pool.max_connections,
        "max_pending_requests": pool.max_pending_requests,
        "max_requests": pool.max_requests,
        "max_retries": pool.max_retries,
    }


def _outlier_detection(outlier: OutlierDetection) -> Config:
    return {
        "consecutive_5xx": outlier.consecutive_5xx_errors,
        "interval": duration(outlier.interval_s),
        "base_ejection_time": duration(outlier.base_ejection_time_s),
        "max_ejection_percent": outlier.max_ejection_percent,
        # Istio switches this off too: with a handful of pods it says nothing.
        "enforcing_success_rate": 0,
    }


def _health_check() -> Config:
    interval = duration(HEALTH_INTERVAL_S)
    return {
        "timeout": duration(HEALTH_TIMEOUT_S),
        "interval": interval,
        # Without this a version that has had no request yet would be probed once a minute.
        "no_traffic_interval": interval,
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/readyz"},
    }


def _http_options(pool: ConnectionPool) -> Config:
    return typed(
        "extensions.upstreams.http.v3.HttpProtocolOptions",
        common_http_protocol_options={"idle_timeout": duration(pool.idle_timeout_s)},
        explicit_http_config={"http_protocol_options": {}},
    )
