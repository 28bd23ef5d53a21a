"""`bertmesh rollout disagreements`: the questions that a canary answered most differently than the stable."""

from collections.abc import Sequence
from dataclasses import asdict

import click

from bertmesh.commands.options import home_option
from bertmesh.commands.output import clock, emit, form_option
from bertmesh.local.home import Home
from canary.adapters.disagreements import LIMIT, Disagreement, worst
from canary.errors import NoRollout
from canary.local.client import Client


@click.command()
@home_option
@form_option()
@click.argument("canary", required=False)
@click.option("--redis", help="The pods' Redis, such as a forwarded one [default: the local mesh's].")
@click.option("-n", "--last", type=click.IntRange(1, LIMIT), default=LIMIT, show_default=True)
def disagreements(home: Home, output: str, canary: str | None, redis: str | None, last: int) -> None:
    """Show where CANARY answered copies of requests most differently [default: the last rollout's].

    Requests are copied while a rollout with --shadow goes on. Texts are shown only if the pods keep them
    (BERTMESH_SHADOW_TEXTS=1).
    """
    name = canary or _last(home)
    found = worst(redis or home.info().redis, name, limit=last)
    emit([asdict(each) for each in found], output, lambda: _text(name, found))


def _last(home: Home) -> str:
    rollout = Client(home.rollout).status()["rollout"]
    if rollout is None:
        raise NoRollout(verb="disagreements")
    return str(rollout["canary"])


def _text(canary: str, found: Sequence[Disagreement]) -> str:
    return "\n\n".join(map(_lines, found)) or f"no disagreement of {canary} is kept"


def _lines(each: Disagreement) -> str:
    at = clock(each.at)
    trace = f", trace {each.trace_id}" if each.trace_id else ""
    return "\n".join(
        [
            f"{at}  {each.task}  severity {each.severity:.2f}  {each.sentence}",
            f"  {each.text or each.about}",
            f"  {each.stable}: {each.stable_answer}",
            f"  {each.canary}: {each.canary_answer or 'failed'}",
            f"  request {each.request_id}{trace}",
        ]
    )
