"""`bertmesh models`: what the store ships, and which versions a mesh knows."""

import json

import click
from rich.console import Console
from rich.table import Table

from bertmesh.errors import MeshNotRunning
from bertmesh.home import DEFAULT_REPLICAS, Home, VersionSpec
from bertmesh.options import home_option, output_option
from bertmesh.pod_models import PodModels, url_of
from bertmesh.pods import cache_dir, models_dir
from mesh.model import check_version_name
from modelstore import list_versions, resolve

pod_option = click.option("--pod", help="A pod of the local mesh, as `bertmesh status` names it.")
url_option = click.option(
    "--url", help="The address of a pod's admin port (BERTMESH_ADMIN_BIND), like http://127.0.0.1:8001."
)


@click.group()
def models() -> None:
    """List, check and add model versions."""


@models.command("list")
@home_option
@output_option
def list_models(home: Home, output: str) -> None:
    """List the versions of the store and those that the mesh knows."""
    rows = [
        {"name": version.name, "version": version.version, "base": version.base, "digest": version.digest}
        for version in list_versions(models_dir())
    ]
    known = {name: vars(spec) for name, spec in home.versions().items()}
    if output == "json":
        click.echo(json.dumps({"store": rows, "mesh": known}, ensure_ascii=False, indent=1))
        return
    table = Table("model", "version", "base", "digest", box=None)
    for row in rows:
        table.add_row(row["name"], row["version"], row["base"] or "-", str(row["digest"])[:19])
    Console().print(table)
    for name, spec in home.versions().items():
        click.echo(
            f"mesh: {name} = {spec.model} x {spec.replicas}{f' fault {spec.fault}' if spec.fault else ''}"
        )


@models.command()
@click.argument("ref")
def verify(ref: str) -> None:
    """Check every file of a version against its manifest and say what it is."""
    version = resolve(ref, root=models_dir(), cache=cache_dir())
    click.echo(f"{version.name}:{version.version} is intact, {version.digest}, in {version.folder}")


@models.command()
@home_option
@click.argument("name")
@click.option("--model", required=True, help="zh-small:1.1-reviews, a folder, or hf://<hub id>.")
@click.option("--fault", help="A drill: error=0.3,latency=200ms,wrong=0.5 (local mesh only).")
@click.option("--replicas", default=DEFAULT_REPLICAS, show_default=True, type=click.IntRange(1, 16))
def add(home: Home, name: str, model: str, fault: str | None, replicas: int) -> None:
    """Make a version known to the mesh, so that a rollout can name it."""
    check_version_name(name)
    if not model.startswith("hf://"):
        resolve(model, root=models_dir(), cache=cache_dir())
    try:
        home.info()
    except MeshNotRunning:
        click.echo("no mesh runs yet; the version will be known when one starts", err=True)
    home.add_versions({name: VersionSpec(model, fault, replicas)})
    click.echo(f"added {name}: {model} x {replicas}{f', with the fault {fault}' if fault else ''}")


@models.command()
@home_option
@pod_option
@url_option
@click.argument("ref")
def activate(home: Home, pod: str | None, url: str | None, ref: str) -> None:
    """Put REF (name:version) in service in a running pod, without a restart; the former model is kept."""
    at = _pod_at(home, pod, url)
    click.echo(f"{PodModels(at).activate(ref)} is in service at {at}")


@models.command()
@home_option
@pod_option
@url_option
def rollback(home: Home, pod: str | None, url: str | None) -> None:
    """Put a running pod's former model back in service, at once."""
    at = _pod_at(home, pod, url)
    click.echo(f"{PodModels(at).rollback()} is in service again at {at}")


def _pod_at(home: Home, pod: str | None, url: str | None) -> str:
    if (pod is None) == (url is None):
        message = "one of --pod and --url is needed: a swap changes one pod, not a whole version"
        raise click.UsageError(message)
    return url or url_of(home, pod or "")
