"""The forms in which a command's answer is printed, the same for every command."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import click
import yaml

from canary.controller.client import RolloutClient
from canary.errors import BadCommand
from canary.rollout.commands import OrderResult

TEXT: Final = "text"
Document = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def form_option(*more: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return the option --output: text, JSON, YAML, and what else this command can."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice([TEXT, "json", "yaml", *more]),
        default=TEXT,
        show_default=True,
        help="The form.",
    )


def emit(document: Document, form: str, text: Callable[[], str]) -> None:
    """Print an answer for a program or, as ``text`` says it, for people."""
    click.echo(written(document, form) if form in {"json", "yaml"} else text())


def written(document: Document, form: str) -> str:
    """Return a document as JSON or YAML."""
    if form == "json":
        return json.dumps(document, ensure_ascii=False, indent=1)
    plain = json.loads(json.dumps(document))  # tuples and numbers of numpy are none of YAML's business
    return yaml.safe_dump(plain, allow_unicode=True, sort_keys=False, width=110).rstrip()


def clock(at: float) -> str:
    """Return Unix seconds as the time of day here."""
    return time.strftime("%H:%M:%S", time.localtime(at))


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a table, each column as wide as its widest cell."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = ([cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows)
    return "\n".join("   ".join(row).rstrip() for row in cells)


def answered(client: RolloutClient, answer: OrderResult, output: str) -> None:
    """Print what became of an order.

    Raises:
        BadCommand: it was refused.
    """
    if not answer.ok:
        raise BadCommand(answer.message)
    words = client.label if output == "name" else answer.message
    emit({"id": answer.id, "message": answer.message}, output, lambda: words)
