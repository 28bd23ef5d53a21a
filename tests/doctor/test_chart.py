"""The project's own chart, as people install it: the doctor finds nothing that bites."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bertmesh.commands.cli import cli
from tests.chart.harness import NAMESPACE, OPERATOR_APIS, OWN_API, SCENARIOS, render, scenario


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.name.removesuffix("-values.yaml"))
def test_every_scenario_of_the_chart_is_without_errors_and_warnings(path: Path) -> None:
    rendered = render(scenario(path), apis=(*OPERATOR_APIS, OWN_API))
    assert not rendered.refusal
    result = CliRunner().invoke(
        cli, ["doctor", "-n", NAMESPACE, "--strict", "-o", "json", "-"], input=rendered.text
    )
    assert result.exit_code == 0, json.dumps(json.loads(result.output)["findings"], indent=1)


def test_there_are_scenarios() -> None:
    assert len(SCENARIOS) >= 8
