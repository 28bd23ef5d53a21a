"""`bertmesh rollout backtest`: what a policy would have done on recorded data."""

import os
import time
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import click
import yaml

from bertmesh.commands.output import emit, form_option
from canary.controller.backtest import Backtest, BacktestPoint, TimeRange
from canary.controller.backtest import backtest as follow
from canary.errors import BadPolicy
from canary.judge import formatting
from canary.judge.policy import Profile
from canary.prometheus.client import PrometheusMetrics
from canary.resource.convert import profile_of
from canary.resource.spec import KIND, ModelRollout
from canary.settings import Settings


class When(click.ParamType[float]):
    """A point in time: Unix seconds, or as ISO 8601 has it; without a zone, local time."""

    name = "time"

    def convert(self, value: str | float, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return Unix seconds."""
        with suppress(ValueError):
            return float(value)
        try:
            return datetime.fromisoformat(str(value)).astimezone().timestamp()
        except ValueError:
            self.fail(f"{value!r} is no time: write 2026-11-21T10:30:00 or Unix seconds", param, ctx)


@click.command()
@form_option()
@click.option(
    "--policy",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="YAML: the spec.policy of a ModelRollout, or a whole one [default: the default profile].",
)
@click.option("--prometheus", required=True, help="The URL of a Prometheus that has the data.")
@click.option(
    "--from",
    "begin",
    type=When(),
    required=True,
    help="When the first weight would have begun; without a zone, local time.",
)
@click.option("--to", "end", type=When(), help="Until when data are read [default: now].")
@click.option("--stable", required=True, help="The stable version at that time.")
@click.option("--canary", required=True, help="The version beside it.")
@click.option("--service", help="The Service as Istio's metrics name it [default: BERTMESH_SERVICE].")
def backtest(  # noqa: PLR0913, PLR0917 - one parameter for each option, as click has it
    output: str,
    policy: Path | None,
    prometheus: str,
    begin: float,
    end: float | None,
    stable: str,
    canary: str,
    service: str | None,
) -> None:
    """Say what a policy would have done on recorded data.

    The recorded weights are what they were; the policy's evidence, waits and moves are its own.
    """
    if stable == canary:
        message = "--stable and --canary are the same version: name two"
        raise click.UsageError(message)
    profile = read_policy(policy, stable, canary)
    settings = Settings.from_environment(os.environ)
    settings = replace(settings, service=service) if service else settings
    span = TimeRange(begin, time.time() if end is None else end, profile.tick_s)
    result = follow(PrometheusMetrics(prometheus, settings), stable, canary, profile, span)
    emit(result.view, output, lambda: "\n".join([*map(_line, result.findings), _end(result, span)]))


def read_policy(path: Path | None, stable: str, canary: str) -> Profile:
    """Return the profile that a file describes.

    Raises:
        BadPolicy: the file is no YAML, or no mapping.
        canary.resource.errors.InvalidResource: a field is wrong.
    """
    given = _mapping(path) if path else {}
    policy = given.get("spec", {}).get("policy", {}) if given.get("kind") == KIND else given
    document = {
        "metadata": {"name": str(path or "default")},
        "spec": {"service": "backtest", "stable": stable, "canary": canary, "policy": policy},
    }
    return profile_of(ModelRollout.read(document).spec)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise BadPolicy(path, " ".join(str(error).split())) from error
    if not isinstance(found, dict):
        raise BadPolicy(path, f"a {type(found).__name__}")
    return found


def _line(finding: BacktestPoint) -> str:
    verdict = finding.verdict
    head = f"{_clock(finding.at)}  {finding.weight:3d} %  {verdict.outcome.value} ({verdict.reason})"
    return f"{head}: {verdict.sentence}"


def _end(result: Backtest, span: TimeRange) -> str:
    if result.ended_at is None:
        return f"undecided after {formatting.duration(span.end - span.begin)}"
    seconds = formatting.duration(result.ended_at - span.begin)
    return f"would have been {result.outcome} at {_clock(result.ended_at)}, after {seconds}"


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().isoformat(sep=" ", timespec="seconds")
