"""`python -m modelstore fetch`: what an init container runs before the pod."""

import os
import sys
from pathlib import Path

import click

from modelstore.errors import ModelStoreError
from modelstore.fetch import fetch as fetch_model
from modelstore.fetch import fetch_base

SHA256_LENGTH = 64


@click.group()
def main() -> None:
    """Keep models in folders."""


def _checksum(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and (len(value) != SHA256_LENGTH or set(value) - set("0123456789abcdef")):
        message = f"{value!r} is no sha256 in hex (64 of 0-9 and a-f)"
        raise click.BadParameter(message)
    return value


@main.command()
@click.argument("uri")
@click.option("--to", "to", type=click.Path(path_type=Path), required=True, help="The folder to be made.")
@click.option(
    "--sha256", callback=_checksum, help="The checksum that it must have; it is printed without one."
)
@click.option("--base", help="Where the version is that the model, a delta, is made from.")
@click.option("--base-sha256", callback=_checksum, help="The base's checksum.")
@click.option(
    "--base-root", type=click.Path(path_type=Path), help="The folder with versions as name/version."
)
def fetch(
    uri: str,
    *,
    to: Path,
    sha256: str | None,
    base: str | None,
    base_sha256: str | None,
    base_root: Path | None,
) -> None:
    """Fetch a model: hf://ID[@REVISION], modelscope://ID[@REVISION] or s3://BUCKET/PREFIX."""
    if (base is None) != (base_root is None):
        message = "--base and --base-root belong together: give both, or neither"
        raise click.UsageError(message)
    try:
        if base is not None and base_root is not None:
            click.echo(f"base in {fetch_base(base, base_root, sha256=base_sha256, env=os.environ)}")
        seen = fetch_model(uri, to, sha256=sha256, env=os.environ)
    except ModelStoreError as error:
        sys.exit(f"the model cannot be fetched: {error}")
    except OSError as error:
        sys.exit(
            f"the model cannot be fetched: {to} cannot be written ({error}): give it room, or another folder"
        )
    click.echo(f"{uri} in {to}, sha256 {seen}")


if __name__ == "__main__":
    main()
