"""When two answers to one question agree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.shadow.agreement import Agreement, Candidates, Essence, compare, essence, read, shown, written
from service.tasks.base import Answer

TOKENS = "的一是不了人我在有他"
SCORES = st.floats(0, 1, width=32)


@st.composite
def candidates(draw: st.DrawFn) -> Candidates:
    tokens = draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=6, unique=True))
    scores = sorted((draw(SCORES) for _ in tokens), reverse=True)
    return list(zip(tokens, scores, strict=True))


VECTORS = st.lists(st.floats(-100, 100, width=16), min_size=3, max_size=3).map(
    lambda numbers: np.array(numbers, dtype=np.float32)
)
ESSENCES: st.SearchStrategy[Essence] = st.one_of(
    st.lists(candidates(), min_size=1, max_size=3), VECTORS, st.floats(0, 1)
)


def flags(agreement: Agreement) -> tuple[bool, bool, float]:
    return agreement.disagreed, agreement.flipped, round(agreement.severity, 4)


@given(ESSENCES, ESSENCES)
def test_it_does_not_matter_which_of_the_two_is_the_canary(one: Essence, other: Essence) -> None:
    assert flags(compare(one, other)) == flags(compare(other, one))


@given(ESSENCES)
def test_an_answer_agrees_with_itself(answer: Essence) -> None:
    same = compare(answer, answer)
    assert not same.disagreed
    assert same.severity < 1e-5


@given(ESSENCES, ESSENCES)
def test_the_severity_is_a_share(one: Essence, other: Essence) -> None:
    assert 0 <= compare(one, other).severity <= 1


@given(ESSENCES)
def test_what_is_written_is_read(answer: Essence) -> None:
    again = read(written(answer))
    assert again is not None
    assert not compare(answer, again).disagreed
    assert type(again) is type(answer)


@pytest.mark.parametrize("content", [b"", b"{", b"null", b"{}", b'"text"'])
def test_what_nobody_wrote_is_not_read(content: bytes) -> None:
    assert read(content) is None


def named(*tokens: str, best: float = 0.6) -> list[dict[str, object]]:
    scores = [best, *(0.1 / n for n in range(1, len(tokens)))]
    return [
        {"token": token, "score": score, "sequence": "...", "offset": 0}
        for token, score in zip(tokens, scores, strict=True)
    ]


def agreement(stable: Answer, canary: Answer) -> Agreement:
    ours, theirs = essence(stable), essence(canary)
    assert ours is not None
    assert theirs is not None
    return compare(ours, theirs)


def test_another_best_candidate_is_a_flip_and_no_disagreement_while_the_former_is_among_the_others() -> None:
    said = agreement(named(*"好的很大美"), named(*"大好很的美"))
    assert (said.flipped, said.disagreed) == (True, False)
    assert said.sentence == "best candidates 好 0.60 and 大 0.60; 5 of 5 candidates in common"


def test_bests_that_the_other_does_not_name_at_all_are_a_disagreement() -> None:
    said = agreement(named(*"好的很大美"), named(*"坏的很大美"))
    assert (said.flipped, said.disagreed) == (True, True)


def test_of_one_candidate_a_flip_counts_if_one_of_the_two_was_sure() -> None:
    assert agreement(named("好", best=0.9), named("坏", best=0.2)).disagreed
    assert not agreement(named("好", best=0.4), named("坏", best=0.3)).disagreed


def test_of_several_masks_most_decide() -> None:
    def answer(*masks: str) -> Answer:
        return {"masks": [named(*tokens) for tokens in masks], "sequences": []}

    assert not agreement(answer("好的很大", "人我在有"), answer("好的很大", "一是不了")).disagreed
    assert agreement(answer("好的很大", "人我在有"), answer("一是不了", "一是不了")).disagreed


def test_a_vector_that_was_turned_about_is_another() -> None:
    vector = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    said = agreement(vector, -vector)
    assert (said.flipped, said.disagreed, said.severity) == (True, True, 1.0)
    assert not agreement(vector, 2 * vector).disagreed


def test_similarities_may_lie_a_fifth_apart() -> None:
    assert not agreement(0.55, 0.4).disagreed
    assert agreement(0.55, 0.4).flipped
    assert agreement(0.9, 0.5).disagreed


def test_answers_of_another_form_disagree_and_nothing_fails() -> None:
    assert agreement(0.5, named("好")).disagreed
    assert compare(np.zeros(2, dtype=np.float32), np.zeros(3, dtype=np.float32)).disagreed


@pytest.mark.parametrize("answer", [[], {"masks": [], "sequences": []}, {"masks": [[]], "sequences": []}])
def test_of_an_empty_answer_there_is_nothing_to_compare(answer: Answer) -> None:
    assert essence(answer) is None


def test_what_is_shown_holds_no_text_of_the_request() -> None:
    content = essence(named("好", "坏", "的", "了"))
    assert content is not None
    assert shown(content) == "好 0.600, 坏 0.100, 的 0.050"
    assert "length 5.00" in shown(np.array([3.0, 4.0], dtype=np.float32))
