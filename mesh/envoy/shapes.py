"""Small shapes that recur in Envoy's configuration."""

from collections.abc import Sequence
from typing import Any

Config = dict[str, Any]


def typed(name: str, **fields: object) -> Config:
    """Return an `Any` of the message ``envoy.<name>``."""
    return {"@type": f"type.googleapis.com/envoy.{name}", **fields}


def extension(name: str, config: Config) -> Config:
    """Return a named extension with its configuration."""
    return {"name": name, "typed_config": config}


def resources(kind: str, items: Sequence[Config], version: str) -> Config:
    """Return a discovery response, as an xDS file holds it; each of ``items`` is an ``envoy.<kind>``."""
    return {"version_info": version, "resources": [{**typed(kind), **item} for item in items]}


def duration(seconds: float) -> str:
    """Return ``seconds`` as protobuf's JSON mapping wants them, to the millisecond: ``0.5s``."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def address(host: str, port: int) -> Config:
    """Return a socket address."""
    return {"socket_address": {"address": host, "port_value": port}}


def file_source(path: str) -> Config:
    """Return where to read a resource: a file, which Envoy reads again when it is replaced by a rename."""
    return {"path_config_source": {"path": path}, "resource_api_version": "V3"}


def header(name: str, value: str) -> Config:
    """Return a header that replaces whatever the message carries under this name."""
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def status(operator: str, code: int) -> Config:
    """Return a filter of answers by their status: EQ, GE or NE ``code``."""
    value = {"default_value": code, "runtime_key": "bertmesh.unused"}
    return {"status_code_filter": {"comparison": {"op": operator, "value": value}}}


def flagged(*flags: str) -> Config:
    """Return a filter of answers with one of these response flags."""
    return {"response_flag_filter": {"flags": list(flags)}}


def all_of(*filters: Config) -> Config:
    """Return a filter of what passes all ``filters``."""
    return {"and_filter": {"filters": list(filters)}}
