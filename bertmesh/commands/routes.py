"""`bertmesh routes`: the mesh as Istio documents, or as what Envoy is given."""

import click
import yaml

from bertmesh.commands.options import home_option
from bertmesh.local.home import Home
from mesh import envoy, istio
from mesh.local.files import TYPES, to_yaml
from mesh.local.routefile import RouteFile
from mesh.model import Endpoint, Mesh, Split, Version, Weights, local_mesh

EXAMPLE_OPTIONS = envoy.Options(folder="/var/lib/bertmesh/envoy", port=8080, admin_port=9901)


@click.command()
@click.option("--istio", "form", flag_value="istio", default="istio", help="For a cluster [default].")
@click.option("--envoy", "form", flag_value="envoy", help="For the Envoy of the local mesh.")
@home_option
def routes(form: str, home: Home) -> None:
    """Print the routes of the mesh that runs here, or of an example mesh if none does."""
    if home.info_file.exists():
        click.echo(f"# the mesh in {home.root}")
        click.echo(_running(form, home), nl=False)
    else:
        click.echo(f"# an example: no mesh runs in {home.root}")
        click.echo(_example(form), nl=False)


def example_mesh() -> Mesh:
    """Return a mesh of a stable version and a canary at 20 %, two pods each."""
    names = ("1.0", "1.1-reviews")
    versions = tuple(
        Version(name, tuple(Endpoint(f"bert-{name}-{i}", "127.0.0.1", 9000 + 10 * n + i) for i in range(2)))
        for n, name in enumerate(names)
    )
    return local_mesh(versions, Split(*names, Weights(20)))


def _running(form: str, home: Home) -> str:
    if form == "envoy":  # what it really reads, a document a file, rather than what it should read
        paths = [path for kind in TYPES for path in sorted((home.envoy / kind).glob("*.yaml"))]
        found = [home.envoy / "bootstrap.yaml", *paths]
        return to_yaml([yaml.safe_load(path.read_text(encoding="utf-8")) for path in found])
    versions = tuple(Version(name) for name in home.versions())
    return to_yaml(istio.render(local_mesh(versions, RouteFile(home.envoy).split())))


def _example(form: str) -> str:
    mesh = example_mesh()
    if form == "istio":
        return to_yaml(istio.render(mesh))
    return to_yaml(
        [
            envoy.render_bootstrap(EXAMPLE_OPTIONS),
            envoy.render_listener(mesh, EXAMPLE_OPTIONS),
            envoy.render_clusters(mesh, EXAMPLE_OPTIONS),
            *(envoy.render_endpoints(version) for version in mesh.versions),
            envoy.render_routes(mesh),
        ]
    )
