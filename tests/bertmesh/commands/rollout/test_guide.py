"""The guide names what there is."""

import re

import click
import pytest

from bertmesh.commands.cli import cli
from bertmesh.commands.kubectl import plugin
from bertmesh.commands.rollout import follow
from bertmesh.commands.rollout.group import ON_BOTH
from canary.cluster import events
from canary.cluster.client import HINDRANCES
from tests.support.kubeapi.known import ROOT

GUIDE = (ROOT / "docs" / "guide-rollouts.md").read_text("utf-8")
EVENTS = {
    *events.REASONS.values(), events.PROMOTED, events.ROUTE_CHANGED, events.WEIGHT_MOVED, events.SPEC_REFUSED,
    events.COMMAND_REFUSED, events.POLICY_EDITED,
}  # fmt: skip


def test_every_event_has_its_row() -> None:
    table = GUIDE.partition("## What each Event means")[2].partition("## Runbook")[0]
    assert set(re.findall(r"`([A-Z]\w+)`", table)) == EVENTS


@pytest.mark.parametrize("command", ON_BOTH, ids=lambda command: command.name)
def test_every_command_is_named(command: click.Command) -> None:
    assert re.search(rf"\b{command.name}\b", GUIDE)


def test_every_exit_code_has_its_row() -> None:
    codes = {follow.PROMOTED, follow.FAILED, 2, follow.ROLLED_BACK, follow.STILL_GOING}
    assert {int(code) for code in re.findall(r"^\| (\d) \|", GUIDE, re.MULTILINE)} == codes


def test_every_hindrance_that_stays_has_its_entry() -> None:
    assert {"StableNotObeyed", "DeploymentMissing", "StateCorrupt"} <= {
        word for word in HINDRANCES if f"`{word}`" in GUIDE
    }


@pytest.mark.parametrize(
    "line",
    [
        line[6:]
        for line in GUIDE.splitlines()
        if line.startswith(("    $ bertmesh", "    $ kubectl bertmesh"))
    ],
)
def test_every_command_line_can_be_given(line: str) -> None:
    words = line.partition(" #")[0].replace('"$VERSION"', "1.1").replace('"users complain"', "x").split()
    group: click.Group = plugin if words[0] == "kubectl" else cli
    words = words[2 if words[0] == "kubectl" else 1 :]
    while isinstance(command := group.get_command(click.Context(group), words[0]), click.Group):
        group, words = command, words[1:]
    assert command is not None
    context = command.make_context(words[0], words[1:], resilient_parsing=False)
    assert context.params is not None
