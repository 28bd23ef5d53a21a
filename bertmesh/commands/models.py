"""`bertmesh models`: what the store ships, and which versions a mesh knows."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from bertmesh.commands.conversions import NAMES, as_table, convert, verdict
from bertmesh.commands.options import home_option
from bertmesh.commands.output import aligned, emit, form_option, written
from bertmesh.errors import MeshNotRunning
from bertmesh.local import pod_models
from bertmesh.local.home import DEFAULT_REPLICAS, Home, VersionSpec
from bertmesh.local.pods import cache_dir, models_dir
from mesh.model import check_version_name
from modelstore import list_versions, resolve
from service.engine.select import conversions, full_card, recorded

pod_option = click.option("--pod", help="A pod of the local mesh, like bert-1.0-0: version and number.")
url_option = click.option(
    "--url", help="The address of a pod's admin port (BERTMESH_ADMIN_BIND), like http://127.0.0.1:8001."
)


@click.group()
def models() -> None:
    """List, check and add model versions."""


@models.command("list")
@home_option
@form_option()
def list_models(home: Home, output: str) -> None:
    """List the versions of the store and those that the mesh knows."""
    keys = ("name", "version", "base", "digest")
    rows = [{key: getattr(version, key) for key in keys} for version in list_versions(models_dir())]
    known = {name: vars(spec) for name, spec in home.versions().items()}
    emit({"store": rows, "mesh": known}, output, lambda: _listed(rows, known))


def _listed(rows: Sequence[Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]) -> str:
    cells = [(row["name"], row["version"], row["base"] or "-", str(row["digest"])[:19]) for row in rows]
    mesh = [
        f"mesh: {name} = {spec['model']} x {spec['replicas']}"
        + (f" fault {spec['fault']}" if spec["fault"] else "")
        for name, spec in known.items()
    ]
    return "\n".join([aligned([("model", "version", "base", "digest"), *cells]), *mesh])


@models.command()
@click.argument("ref")
def verify(ref: str) -> None:
    """Check every file of a version against its manifest and say what it is."""
    version = resolve(ref, root=models_dir(), cache=cache_dir())
    click.echo(f"{version.name}:{version.version} is intact, {version.digest}, in {version.folder}")


@models.command("convert")
@click.argument("ref")
@click.option(
    "--recipe", "recipes", multiple=True, type=click.Choice(NAMES), help="By default all that can be made."
)
@click.option("--threads", type=click.IntRange(1, 256), help="For measuring; all CPUs by default.")
@click.option("--again", is_flag=True, help="Convert again what is there already.")
@form_option()
def convert_model(ref: str, recipes: Sequence[str], threads: int | None, again: bool, output: str) -> None:  # noqa: FBT001 - a click option
    """Convert a version for faster engines, judge each against float32, and say which one pods take.

    Pods find the result by the model's digest and this machine's kind of CPU and GPU, in the cache folder
    (BERTMESH_CACHE_DIR); BERTMESH_ENGINE chooses among them, auto by default.
    """
    version = resolve(ref, root=models_dir(), cache=cache_dir())
    threads = threads or len(os.sched_getaffinity(0))
    folder = convert(version, cache_dir(), recipes, threads, again=again, tell=partial(click.echo, err=True))
    made = [asdict(each) for each in recorded(folder).values()]
    document = {"folder": str(folder), "digest": version.digest, "conversions": made}
    emit(document, output, lambda: f"{as_table(folder)}\n{verdict(folder)}\nin {folder}")


@models.command()
@click.argument("ref")
def card(ref: str) -> None:
    """Print a version's model card as JSON, with the fidelity of its conversions on this kind of machine."""
    version = resolve(ref, root=models_dir(), cache=cache_dir())
    click.echo(written(full_card(version.card, conversions(cache_dir(), version.digest)) or {}, "json"))


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
    click.echo(f"{pod_models.activate(at, ref)} is in service at {at}")


@models.command()
@home_option
@pod_option
@url_option
def rollback(home: Home, pod: str | None, url: str | None) -> None:
    """Put a running pod's former model back in service, at once."""
    at = _pod_at(home, pod, url)
    click.echo(f"{pod_models.rollback(at)} is in service again at {at}")


def _pod_at(home: Home, pod: str | None, url: str | None) -> str:
    if (pod is None) == (url is None):
        message = "one of --pod and --url is needed: a swap changes one pod, not a whole version"
        raise click.UsageError(message)
    return url or pod_models.url_of(home, pod or "")
