"""The gateway's listener: what happens to a request before and after it is routed."""

from typing import Any

from mesh.envoy.bootstrap import COLLECTOR_CLUSTER
from mesh.envoy.filters import http_filters
from mesh.envoy.metrics import POD, VERSION, source_loggers
from mesh.envoy.options import LOOPBACK, ROUTES_NAME, STAT_PREFIX, Options
from mesh.envoy.replies import local_replies
from mesh.envoy.shapes import Config, address, duration, extension, file_source, resources, typed
from mesh.model import Mesh
from observability.names import CACHE_HEADER

# A client that sends its request more slowly than this is not served.
REQUEST_TIMEOUT_S = 30
NOBODY = "255.255.255.255"


def render_listener(mesh: Mesh, options: Options, *, version_info: str = "1") -> Config:
    """Return the listener; it depends on the policy and not on the split."""
    manager = extension("envoy.filters.network.http_connection_manager", _connection_manager(mesh, options))
    listener = {
        "name": STAT_PREFIX,
        "address": address(LOOPBACK, options.port),
        # Else a second gateway could take the same port, and each would get some of the other's requests.
        "enable_reuse_port": False,
        "filter_chains": [{"filters": [manager]}],
    }
    return resources("config.listener.v3.Listener", [listener], version_info)


def _connection_manager(mesh: Mesh, options: Options) -> Config:
    return typed(
        "extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        stat_prefix=STAT_PREFIX,
        rds={"route_config_name": ROUTES_NAME, "config_source": file_source(options.routes_file)},
        http_filters=http_filters(mesh),
        access_log=[*source_loggers(mesh), _json_log(options.access_log)],
        local_reply_config=local_replies(mesh.policy),
        request_timeout=duration(REQUEST_TIMEOUT_S),
        **_edge(),
        **_request_ids(),
        **_tracing(options),
    )


def _edge() -> Config:
    """Trust nothing that a client says of itself or of the path."""
    return {
        "use_remote_address": True,
        # Nobody is internal: else a client on this machine could set timeouts and retries by x-envoy-*.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": NOBODY, "prefix_len": 32}]},
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_FORWARD",
    }


def _request_ids() -> Config:
    uuids = typed("extensions.request_id.uuid.v3.UuidRequestIdConfig", pack_trace_reason=False)
    return {
        "always_set_request_id_in_response": True,
        "preserve_external_request_id": True,
        # Else Envoy would change a digit in the id that a client sent.
        "request_id_extension": {"typed_config": uuids},
    }


def _tracing(options: Options) -> Config:
    if options.collector is None:
        return {}
    service = {
        "uri": f"{options.collector.rstrip('/')}/v1/traces",
        "cluster": COLLECTOR_CLUSTER,
        "timeout": duration(1),
    }
    tracer = typed(
        "config.trace.v3.OpenTelemetryConfig",
        service_name="bertmesh-gateway",
        http_service={"http_uri": service},
    )
    return {
        "tracing": {"provider": extension("envoy.tracers.opentelemetry", tracer), "spawn_upstream_span": True}
    }


def _json_log(path: str) -> Config:
    fields: dict[str, Any] = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "method": "%REQ(:METHOD)%",
        "path": "%PATH(NQ)%",
        "status": "%RESPONSE_CODE%",
        "flags": "%RESPONSE_FLAGS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "duration_ms": "%DURATION%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "route": "%ROUTE_NAME%",
        "version": VERSION,
        "pod": POD,
        "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
        "cache": f"%RESP({CACHE_HEADER})%",
        "request_id": "%STREAM_ID%",
        # The first is known where spans are made, the second also where only the client makes them.
        "trace_id": "%TRACE_ID%",
        "traceparent": "%REQ(traceparent)%",
    }
    log_format = {"json_format": fields, "omit_empty_values": True}
    return extension(
        "envoy.access_loggers.file",
        typed("extensions.access_loggers.file.v3.FileAccessLog", path=path, log_format=log_format),
    )
