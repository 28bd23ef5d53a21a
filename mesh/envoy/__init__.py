"""The intermediate representation as configuration of an Envoy that reads it from files."""

from mesh.envoy.bootstrap import render_bootstrap
from mesh.envoy.clusters import render_clusters, render_endpoints
from mesh.envoy.listener import render_listener
from mesh.envoy.options import Options
from mesh.envoy.routes import render_routes

__all__ = [
    "Options",
    "render_bootstrap",
    "render_clusters",
    "render_endpoints",
    "render_listener",
    "render_routes",
]
