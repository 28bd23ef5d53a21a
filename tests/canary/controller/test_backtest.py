"""What a policy would have done on recorded data."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bertmesh.commands.cli import cli
from bertmesh.commands.rollout import backtest as command
from bertmesh.local.ports import free_port
from canary.controller.backtest import Backtest, Span, backtest
from canary.errors import BadSpan, MetricsDown
from canary.judge.profiles import DEFAULT, FAST
from canary.measure.counters import CounterSnapshot
from mesh.model import Split, Weights
from tests.canary.fakes import PROMETHEUS, Executioner, FakeClock, FakeRouter, FakeTraffic

BEGIN = 1_000_000.0


@dataclass
class Recording:
    """Traffic that was recorded while the canary had a steady share."""

    traffic: FakeTraffic
    clock: FakeClock
    gone: set[float] = field(default_factory=set)

    @classmethod
    def of(cls, share: int = 20, **traffic: Any) -> "Recording":  # noqa: ANN401 - for FakeTraffic
        clock = FakeClock(BEGIN)
        router = FakeRouter(Executioner(), Split("1.0", "1.1", Weights(share)))
        return cls(FakeTraffic(clock, router, since=BEGIN, **traffic), clock)

    def counts(self, versions: Any, at: float, *, edge: str | None = None) -> CounterSnapshot:  # noqa: ANN401
        if at in self.gone:
            raise MetricsDown(PROMETHEUS, "gone")
        self.clock.time = at
        return self.traffic.counts(versions, at, edge=edge)

    def history(self, version: str, at: float, *, seconds: float, step: float) -> Any:  # noqa: ANN401
        return self.traffic.history(version, at, seconds=seconds, step=step)


def played(recording: Recording, seconds: float = 200.0, profile: Any = FAST) -> Backtest:  # noqa: ANN401
    return backtest(recording, "1.0", "1.1", profile, Span(BEGIN, BEGIN + seconds, profile.tick_s))


def test_a_good_canary_would_have_been_promoted_step_by_step() -> None:
    result = played(Recording.of())
    assert result.outcome == "promoted"
    assert result.ended_at is not None
    moves = [f.weight for f in result.findings if f.verdict.outcome.value == "advance"]
    assert moves == [5, 20, 50, 100]


def test_a_bad_canary_would_have_been_rolled_back_within_seconds() -> None:
    result = played(Recording.of(bad={"1.1": 0.3}))
    assert result.outcome == "rolled back"
    assert result.ended_at is not None
    assert result.ended_at - BEGIN <= 15
    assert "errors: canary 30" in result.findings[-1].verdict.sentence


def test_a_stricter_policy_needs_longer_on_the_same_data() -> None:
    quick, careful = played(Recording.of()), played(Recording.of(), 4000, DEFAULT)
    assert careful.outcome == "promoted"
    assert (careful.ended_at or 0) > (quick.ended_at or 0)


def test_the_end_of_the_data_leaves_it_undecided() -> None:
    result = played(Recording.of(), seconds=5)
    assert (result.outcome, result.ended_at) == ("undecided", None)


def test_a_share_that_was_never_given_is_not_held_against_the_canary() -> None:
    """Recorded at 1 %, the policy would have had 50 %: few requests are no silence."""
    result = played(Recording.of(share=1, rps=5.0), seconds=300)
    assert all(finding.verdict.reason != "canary_silent" for finding in result.findings)


def test_a_hole_in_the_data_is_a_hold() -> None:
    recording = Recording.of()
    recording.gone = {BEGIN + k for k in range(5, 8)}
    result = played(recording)
    assert "metrics_down" in [finding.verdict.reason for finding in result.findings]
    assert result.outcome == "promoted"


def test_the_same_data_give_the_same_result() -> None:
    assert played(Recording.of(bad={"1.1": 0.05})).view == played(Recording.of(bad={"1.1": 0.05})).view


@pytest.mark.parametrize("end", [BEGIN, BEGIN - 5, BEGIN + 1e9])
def test_a_senseless_span_is_refused(end: float) -> None:
    with pytest.raises(BadSpan, match="--from first"):
        Span(BEGIN, end, 5.0)


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["rollout", "backtest", *words])


def arguments(*more: str, prometheus: str = "http://prometheus") -> list[str]:
    return ["--prometheus", prometheus, "--stable", "1.0", "--canary", "1.1", *more]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the command read a recording instead of a Prometheus."""
    monkeypatch.setattr(command, "PrometheusMetrics", lambda *_: Recording.of(bad={"1.1": 0.3}))


@pytest.mark.usefixtures("recorded")
def test_the_command_prints_decisions_with_times_and_the_end(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("profile: fast\nbake: 1m\nholdback: 0\n", encoding="utf-8")
    result = run(*arguments("--policy", str(policy), "--from", "1000000", "--to", "1000100"))
    assert result.exit_code == 0, result.output
    assert "roll_back (breaker): errors: canary 30" in result.output
    assert result.output.splitlines()[-1].startswith("would have been rolled back at 1970-01-12 ")


@pytest.mark.usefixtures("recorded")
def test_the_command_prints_json_for_a_whole_resource_too(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("kind: ModelRollout\nspec: {policy: {profile: fast}}\n", encoding="utf-8")
    result = run(*arguments("--policy", str(policy), "--from", "1000000", "--to", "1000100", "-o", "json"))
    found = json.loads(result.output)
    assert found["outcome"] == "rolled back"
    assert found["decisions"][-1]["numbers"]["evidence"] >= 100


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- 5\n- 20\n", "holds no policy (a list)"),
        ("{", "holds no policy"),
        ("profile: reckless\n", "profile"),
        ("steps: [{weight: 50}, {weight: 5}]\n", "must ascend"),
    ],
)
def test_a_bad_policy_is_answered_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text(text, encoding="utf-8")
    result = run(*arguments("--policy", str(policy), "--from", "1000000", "--to", "1000100"))
    assert result.exit_code == 1
    assert sentence in result.output


def test_a_prometheus_that_is_not_there_is_answered_with_a_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    result = run(*arguments("--from", "1970-01-12T13:46:40Z", "--to", "1000100", prometheus=url))
    assert result.exit_code == 1
    assert f"no metrics from {url}" in result.output


def test_a_time_that_is_none_is_wrong_usage() -> None:
    result = run(*arguments("--from", "yesterday"))
    assert result.exit_code == 2
    assert "'yesterday' is no time" in result.output


def test_profiles_differ_only_in_what_the_policy_says(tmp_path: Path) -> None:
    policy = tmp_path / "p.yaml"
    policy.write_text("profile: default\n", encoding="utf-8")
    assert command.read_policy(policy, "1.0", "1.1") == DEFAULT
    assert replace(DEFAULT) == command.read_policy(None, "1.0", "1.1")
