"""Both sides of a comparison may come at different times: proxies tell durations some seconds at once."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

from canary.judge.ledger import Ledger
from canary.judge.profiles import DEFAULT, FAST, SHADOW, SLOW
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.verdict import Outcome
from canary.measure.counts import Counts, PodCounts, Tick
from tests.canary.worlds import FIRST, SECOND, after_history, observed

PROFILE = replace(DEFAULT, metrics=(SLOW,))
BEGIN = 600.0
NOTHING = (0, 0)


def slow(at: float, stable: tuple[int, int], **canary: tuple[int, int]) -> Tick:
    def pod(name: str, counts: tuple[int, int]) -> PodCounts:
        return PodCounts(name, {"slow": Counts(*counts)}, 60.0)

    return Tick(at, 1.0, (pod("s", stable),), tuple(pod(*each) for each in canary.items()))


def in_turns(rounds: int, stable: tuple[int, int], canary: Mapping[str, tuple[int, int]]) -> Iterator[Tick]:
    """Yield ticks of which each has the counts of one pod: the stable's, then one canary pod's, and so on."""
    at = BEGIN
    for _ in range(rounds):
        for counts, pods in [(stable, {}), *((NOTHING, {name: n}) for name, n in canary.items())]:
            yield slow(at, counts, **pods)
            at += 1.0


def learned() -> Ledger:
    history = (slow(5.0 * k, (500, 5)) for k in range(120))
    return observed(Ledger.empty(PROFILE), history, PROFILE, Stage())


def test_a_slow_canary_is_convicted_though_no_tick_has_both_sides() -> None:
    ledger = observed(learned(), in_turns(20, (95, 1), {"a": (3, 3), "b": (2, 2)}), PROFILE)
    said = judge(ledger, PROFILE, FIRST, Moment(BEGIN + 60, 60))
    assert said.outcome is Outcome.ROLL_BACK


def test_a_single_slow_pod_is_still_no_slow_version() -> None:
    ledger = observed(learned(), in_turns(20, (95, 1), {"a": (3, 3), "b": (2, 0)}), PROFILE)
    said = judge(ledger, PROFILE, FIRST, Moment(BEGIN + 60, 60))
    assert (said.outcome, said.reason) == (Outcome.HOLD, "single_pod")


def test_what_waited_counts_as_if_it_had_come_with_the_stable_s() -> None:
    apart = observed(learned(), in_turns(10, (95, 1), {"a": (3, 0), "b": (2, 0)}), PROFILE)
    # What came after the stable's last counts still waits.
    ticks = [slow(BEGIN + 3 * k, (95, 1), **({"a": (3, 0), "b": (2, 0)} if k else {})) for k in range(10)]
    assert apart.metrics[0].safety == observed(learned(), ticks, PROFILE).metrics[0].safety
    assert apart.metrics[0].waiting.pods == {"a": Counts(3), "b": Counts(2)}


def test_what_has_waited_for_long_is_of_another_time_and_forgotten() -> None:
    late = BEGIN + PROFILE.no_data_s + 1
    ledger = observed(learned(), [slow(BEGIN, NOTHING, a=(5, 5)), slow(late, (95, 1), a=(5, 0))], PROFILE)
    assert ledger.metrics[0].rollout.canary == Counts(5, 0)
    in_time = observed(
        learned(), [slow(BEGIN, NOTHING, a=(5, 5)), slow(late - 1, (95, 1), a=(5, 0))], PROFILE
    )
    assert in_time.metrics[0].rollout.canary == Counts(10, 5)


def test_young_pods_do_not_wait_either() -> None:
    young = slow(BEGIN, NOTHING, a=(5, 5))
    young = replace(young, canary=(replace(young.canary[0], age_s=SLOW.skip_young_s - 1),))
    ledger = observed(learned(), [young, slow(BEGIN + 5, (95, 1), a=(5, 0))], PROFILE)
    assert ledger.metrics[0].rollout.canary == Counts(5, 0)


def test_what_is_compared_with_points_alone_does_not_wait() -> None:
    points = replace(FAST, metrics=(replace(SHADOW, name="slow", mirrored=False),))
    ledger = observed(after_history(points), [slow(BEGIN, NOTHING, a=(5, 5))], points)
    assert ledger.metrics[0].rollout.canary == Counts(5, 5)
    assert not ledger.metrics[0].waiting.pods


def test_what_came_in_an_incident_of_the_stable_proves_no_harm_later() -> None:
    ledger = observed(
        learned(), [slow(BEGIN, (95, 60), a=(5, 3)), slow(BEGIN + 1, NOTHING, a=(50, 40))], PROFILE
    )
    assert ledger.metrics[0].waiting.incident
    before = ledger.metrics[0].whole
    later = observed(ledger, [slow(BEGIN + 2, (9500, 95), a=(5, 0))], PROFILE).metrics[0]
    assert not later.watch.incident
    assert later.rollout.canary == Counts(60, 43)
    # The prior of a tick is placed, and nothing is added to it.
    assert max(after - old for after, old in zip(later.whole.harm, before.harm, strict=True)) < 0.5


def test_what_waited_at_another_weight_is_not_counted_at_the_next() -> None:
    ledger = observed(
        learned(), [slow(BEGIN, (95, 1), a=(5, 0)), slow(BEGIN + 1, NOTHING, a=(50, 2))], PROFILE
    )
    later = observed(ledger, [slow(BEGIN + 2, (95, 1), a=(5, 0))], PROFILE, SECOND)
    assert later.metrics[0].step.canary == Counts(5, 0)
