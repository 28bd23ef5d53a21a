import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from canary.judge.balance import fair_balance, whole_balance
from canary.judge.ledger import Ledger
from canary.judge.profiles import DEFAULT, ERRORS, FAST, SLOW
from canary.judge.rules import Moment, judge
from canary.judge.stage import Stage
from canary.judge.statistics import HARM_GRID, log_harm, mass
from canary.judge.verdict import Outcome
from canary.measure.counts import Counts, Pair, PodCounts, Tick
from tests.canary.worlds import (
    BAKE,
    ERRORS_ONLY,
    FIRST,
    LAST,
    SECOND,
    TICK_S,
    after_history,
    observed,
    pod_tick,
    tick,
    ticks_of,
)

LEDGER = TypeAdapter(Ledger)
counts = st.builds(lambda n, x: Counts(n, min(n, x)), st.integers(0, 60), st.integers(0, 60))
pods = st.lists(st.sampled_from(["a", "b", "c"]), unique=True, max_size=3)


@st.composite
def some_ticks(draw: st.DrawFn) -> list[tuple[Tick, Stage]]:
    stages = sorted(draw(st.lists(st.sampled_from([-1, 0, 1, 2, 3]), min_size=1, max_size=14)))
    known = {-1: Stage(), 0: FIRST, 1: SECOND, 2: LAST, 3: BAKE}
    return [(_draw_tick(draw, TICK_S * k), known[step]) for k, step in enumerate(stages)]


def _draw_tick(draw: st.DrawFn, at: float) -> Tick:
    def pod(name: str) -> PodCounts:
        return PodCounts(
            name, {"errors": draw(counts), "slow": draw(counts)}, draw(st.sampled_from([0.0, 99.0]))
        )

    return Tick(
        at,
        TICK_S,
        (pod("s"),),
        tuple(pod(name) for name in draw(pods)),
        fresh_stable=draw(st.booleans()) or draw(st.booleans()),
        fresh_canary=draw(st.booleans()) or draw(st.booleans()),
    )


@settings(max_examples=60)
@given(some_ticks())
def test_evidence_is_the_same_when_it_was_stored_and_read_back_after_each_tick(
    ticks: Sequence[tuple[Tick, Stage]],
) -> None:
    whole, broken = Ledger.empty(DEFAULT), Ledger.empty(DEFAULT)
    for each, stage in ticks:
        whole = whole.observe(each, DEFAULT, stage)
        broken = LEDGER.validate_json(LEDGER.dump_json(broken.observe(each, DEFAULT, stage)))
        assert broken == whole
        moment = Moment(each.at, 100.0)
        assert judge(broken, DEFAULT, stage, moment) == judge(whole, DEFAULT, stage, moment)


@settings(max_examples=60)
@given(some_ticks())
def test_evidence_is_finite_and_small_whatever_comes(ticks: Sequence[tuple[Tick, Stage]]) -> None:
    ledger = Ledger.empty(DEFAULT)
    for each, stage in ticks:
        ledger = ledger.observe(each, DEFAULT, stage)
    assert math.isfinite(fair_balance(ledger, DEFAULT).total)
    assert math.isfinite(whole_balance(ledger, DEFAULT).total)


def from_scratch(ticks: Sequence[Pair]) -> float:
    """Compute E of HARM by its definition, phi being 1: a mixture over every change point."""
    total = 0.0
    for alternative in HARM_GRID:
        gains = [min(log_harm(pair, alternative, 1.1, 1e-4), 2.5) for pair in ticks]
        for start in range(len(ticks)):
            weight = mass(start + 1, 0, first=start == 0)
            total += weight * math.exp(math.fsum(gains[start:]))
    return total / len(HARM_GRID)


def test_incremental_evidence_equals_evidence_from_scratch() -> None:
    numbers = [(475, 1, 25, 0), (470, 0, 30, 0), (481, 1, 19, 1), (475, 0, 25, 0), (475, 1, 25, 0)]
    ledger = observed(after_history(), ticks_of(numbers))
    assert ledger.metrics[0].dispersion.stable == ledger.metrics[0].dispersion.split == 1
    expected = from_scratch([Pair(*each) for each in numbers])
    assert ledger.metrics[0].whole.harm_value == pytest.approx(expected, rel=1e-9)


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.integers(1, 300), st.integers(0, 3), st.integers(1, 50), st.integers(0, 2)), max_size=6
    )
)
def test_one_more_canary_error_in_the_last_tick_never_lowers_the_evidence(
    numbers: list[tuple[int, int, int, int]],
) -> None:
    clean = [(n_s, min(x_s, n_s), n_c, min(x_c, n_c)) for n_s, x_s, n_c, x_c in numbers]
    past = observed(after_history(), ticks_of(clean))
    at = 600 + TICK_S * len(clean)
    totals = [
        fair_balance(past.observe(tick(at, (95, 1, 5, bad)), ERRORS_ONLY, FIRST), ERRORS_ONLY).total
        for bad in range(6)
    ]
    assert totals == sorted(totals)


def test_a_tick_without_a_new_sample_of_both_versions_adds_nothing() -> None:
    before = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 3))
    stale = replace(tick(620, (475, 1, 25, 25)), fresh_canary=False)
    after = before.observe(stale, ERRORS_ONLY, FIRST)
    assert (after.metrics, after.ticks) == (before.metrics, before.ticks)


def test_safety_starts_anew_at_each_weight_and_harm_does_not() -> None:
    first = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 12))
    second = first.observe(tick(660, (400, 1, 100, 0)), ERRORS_ONLY, SECOND)
    alone = after_history().observe(tick(660, (400, 1, 100, 0)), ERRORS_ONLY, SECOND)
    assert second.metrics[0].safety == alone.metrics[0].safety
    assert second.metrics[0].step.canary == Counts(100, 0)
    assert second.metrics[0].rollout.canary == Counts(400, 0)
    assert second.metrics[0].whole.harm != alone.metrics[0].whole.harm


def test_under_an_incident_harm_may_only_lose_and_safety_stands_still() -> None:
    before = observed(after_history(), ticks_of([(475, 1, 25, 0)] * 3))
    after = before.observe(tick(615, (475, 100, 25, 25)), ERRORS_ONLY, FIRST)
    assert after.metrics[0].watch.incident
    assert after.metrics[0].safety == before.metrics[0].safety
    assert after.metrics[0].dispersion == before.metrics[0].dispersion
    grown = before.metrics[0].whole.harm_value + mass(4, 0, first=False)
    assert after.metrics[0].whole.harm_value <= grown + 1e-12


def test_the_case_without_a_pod_is_the_case_of_the_others() -> None:
    ledger, others = after_history(), after_history()
    for k in range(4):
        at = 600 + TICK_S * k
        ledger = ledger.observe(pod_tick(at, (450, 1), {"a": (25, 9), "b": (25, 0)}), ERRORS_ONLY, FIRST)
        others = others.observe(pod_tick(at, (450, 1), {"b": (25, 0)}), ERRORS_ONLY, FIRST)
    without_a = next(case for case in ledger.metrics[0].without if case.pod == "a")
    # phi of the split differs between the two, and only makes the case against the others stronger.
    assert without_a.bad == others.metrics[0].whole.bad == 0
    assert without_a.harm_value < 1
    assert ledger.metrics[0].whole.breaker_value > 1e3


def test_a_pod_that_comes_late_had_no_part_in_what_was_before() -> None:
    early = after_history().observe(pod_tick(600, (450, 1), {"a": (25, 0)}), ERRORS_ONLY, FIRST)
    late = early.observe(pod_tick(605, (450, 1), {"a": (25, 0), "b": (25, 25)}), ERRORS_ONLY, FIRST)
    cases = {case.pod: case for case in late.metrics[0].without}
    assert cases["b"].bad == 0
    assert cases["b"].harm_value < cases["a"].harm_value


def test_the_number_of_pods_that_are_remembered_is_bounded() -> None:
    ledger = after_history()
    for k in range(50):
        ledger = ledger.observe(pod_tick(600 + k, (95, 0), {f"pod-{k}": (5, 0)}), ERRORS_ONLY, FIRST)
    assert len(ledger.metrics[0].without) == 32


def test_latency_of_a_young_canary_pod_is_not_judged() -> None:
    profile = replace(DEFAULT, metrics=(SLOW,))
    young = Tick(
        600, 5, (PodCounts("s", {"slow": Counts(475, 5)}),), (PodCounts("c", {"slow": Counts(25, 25)}, 29.0),)
    )
    ledger = after_history(profile).observe(young, profile, FIRST)
    assert ledger.metrics[0].rollout.canary == Counts()
    grown = ledger.observe(
        replace(young, at=605, canary=(replace(young.canary[0], age_s=30.0),)), profile, FIRST
    )
    assert grown.metrics[0].rollout.canary == Counts(25, 25)


def test_failures_of_no_pod_count_against_every_pod_s_version() -> None:
    lost = (PodCounts("", {"errors": Counts(25, 25)}), PodCounts("a", {"errors": Counts(5, 0)}))
    ledger = after_history()
    for k in range(3):
        each = Tick(600 + 5 * k, 5, (PodCounts("s", {"errors": Counts(475, 1)}),), lost)
        ledger = ledger.observe(each, ERRORS_ONLY, FIRST)
    assert judge(ledger, ERRORS_ONLY, FIRST, Moment(615, 15)).outcome is Outcome.ROLL_BACK


def test_many_short_ticks_keep_the_state_small() -> None:
    ledger = after_history()
    for k in range(2000):
        ledger = ledger.observe(tick(600 + 0.02 * k, (9, 0, 1, 0)), ERRORS_ONLY, FIRST)
    assert len(LEDGER.dump_json(ledger)) < 20_000


def test_the_shares_of_all_metrics_make_one() -> None:
    profile = replace(DEFAULT, metrics=(ERRORS, SLOW))
    ledger = observed(Ledger.empty(profile), [tick(5, (0, 0, 0, 0))], profile)
    # Without a request every E is the first mass, 0.5, so the mean of them is too.
    assert sum(fair_balance(ledger, profile).harm.values()) == pytest.approx(0.9 * 0.5)


def test_the_fast_profile_discounts_less() -> None:
    bursts = [(500, 60 if k % 10 == 0 else 0) for k in range(60)]
    ledger = Ledger.empty(ERRORS_ONLY)
    for k, (n, x) in enumerate(bursts):
        ledger = ledger.observe(tick(5.0 * k, (n, x, 0, 0)), ERRORS_ONLY, Stage())
    known = ledger.metrics[0]
    assert known.phi(DEFAULT.phi_max) > known.phi(FAST.phi_max) == FAST.phi_max
