"""`bertmesh up`."""

import json
import sys
from functools import partial
from typing import Any, TextIO

import click

from bertmesh.commands.options import home_option, stop_on_signals
from bertmesh.local.detached import start_detached
from bertmesh.local.home import Home, MeshInfo
from bertmesh.local.pods import models_dir
from bertmesh.local.supervisor import LocalMesh, Options
from bertmesh.local.versions import parse_versions, shipped_versions
from mesh.policy import Jwt, Policy

DETACH = {"-d", "--detach"}


@click.command()
@home_option
@click.option("--stable", default="1.0", show_default=True, help="What serves on the first start.")
@click.option(
    "--version",
    "versions",
    multiple=True,
    metavar="NAME=REF",
    callback=parse_versions,
    help="A version beside the shipped ones: a folder in Hugging Face layout or hf://<hub id>.",
)
@click.option("--port", type=click.IntRange(1, 65535), help="The gateway's [default: 8080 or a free one].")
@click.option("--rate-limit", type=click.IntRange(1), help="Requests a second [default: any].")
@click.option("--jwt-issuer", help="Ask for tokens of this issuer; needs --jwks [default: none].")
@click.option("--jwt-audience", default="bertmesh", show_default=True, help="The tokens' audience.")
@click.option("--jwks", type=click.File(encoding="utf-8"), help="The issuer's key set, a JSON file.")
@click.option("--collector", help="Base URL of an OTLP/HTTP collector [default: none].")
@click.option("-d", "--detach", is_flag=True, help="Return once the mesh is ready; `bertmesh down` ends it.")
def up(home: Home, *, detach: bool, **wishes: Any) -> None:  # noqa: ANN401 - as click gives them
    """Start the local mesh: Redis, Prometheus, Envoy, model pods and the canary controller."""
    jwt = _jwt(wishes["jwt_issuer"], wishes["jwt_audience"], wishes["jwks"])
    options = Options(
        stable=wishes["stable"],
        versions={**shipped_versions(models_dir()), **wishes["versions"]},
        port=wishes["port"],
        policy=Policy(rate_limit_per_s=wishes["rate_limit"], jwt=jwt),
        collector=wishes["collector"],
    )
    if detach:
        info = start_detached(home, [word for word in sys.argv[1:] if word not in DETACH])
        parts = f"console {info.console}, Prometheus {info.prometheus}, Envoy {info.envoy_admin}"
        click.echo(f"ready: {info.gateway} ({parts})")
        return
    click.echo(f"starting the local mesh in {home.root} ...")
    LocalMesh(home, options).run(stop_on_signals(), on_ready=partial(_say_ready, home))
    click.echo("the local mesh has ended, nothing is left running")


def _jwt(issuer: str | None, audience: str, jwks: TextIO | None) -> Jwt | None:
    if not issuer and not jwks:
        return None
    if not issuer or not jwks:
        message = "--jwt-issuer and --jwks go together: who signs, and with which keys"
        raise click.UsageError(message)
    return Jwt(issuer, (audience,), _key_set(jwks))


def _key_set(jwks: TextIO) -> str:
    """Return the text of a key set; Envoy would refuse to start on another and say less."""
    text = jwks.read()
    try:
        found = json.loads(text)
    except ValueError as error:
        message = f"--jwks {jwks.name}: it is no JSON ({error}); give a key set: an object with `keys`"
        raise click.UsageError(message) from error
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list) or not found["keys"]:
        message = f"--jwks {jwks.name}: it names no keys; give a key set: an object with `keys`"
        raise click.UsageError(message)
    return text


def _say_ready(home: Home, info: MeshInfo) -> None:
    click.echo(
        f"ready\n  gateway     {info.gateway}\n  console     {info.console}\n"
        f"  Prometheus  {info.prometheus}\n  Envoy       {info.envoy_admin}\n"
        f"  logs        {home.logs}\nCtrl-C ends it."
    )
