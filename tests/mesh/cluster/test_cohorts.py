import re

from hypothesis import given
from hypothesis import strategies as st

from mesh.cohorts import ALL, below


@given(st.integers(1, 100), st.integers(0, 99))
def test_the_cohorts_below_the_weight_go_to_the_canary(weight: int, cohort: int) -> None:
    assert bool(re.fullmatch(below(weight), str(cohort))) == (cohort < weight)


@given(st.integers(0, 99))
def test_every_cohort_is_known(cohort: int) -> None:
    assert re.fullmatch(ALL, str(cohort))


@given(st.integers(1, 99), st.integers(0, 99))
def test_a_user_with_the_canary_keeps_it_while_the_weight_grows(weight: int, cohort: int) -> None:
    if re.fullmatch(below(weight), str(cohort)):
        assert re.fullmatch(below(weight + 1), str(cohort))
