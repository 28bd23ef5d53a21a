"""Answers of all tasks: kept and read again, compared, and shown without a text of the request."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.api.app import wrap
from service.pod.assembly import build
from service.tasks.agreement import Agreement
from service.tasks.base import Answer, unpacked
from service.tasks.features import Vector
from service.tasks.filled import FLOOR, Candidate, Filled, Sequence
from service.tasks.similarity import Likeness
from service.tasks.table import ENDPOINTS
from tests.service.conftest import Tiny

TOKENS = "的一是不了人我在有他"
SCORES = st.floats(0, 1, width=32)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KINDS = [each.task.answer for each in ENDPOINTS.values()]


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Candidate, ...]:
    tokens = draw(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=6, unique=True))
    scores = sorted((draw(SCORES) for _ in tokens), reverse=True)
    return tuple(
        Candidate(token, score, draw(TEXTS), draw(st.integers(0, 99)))
        for token, score in zip(tokens, scores, strict=True)
    )


SEQUENCES = st.lists(st.builds(Sequence, TEXTS, st.tuples(TEXTS, TEXTS), SCORES), max_size=3).map(tuple)
FILLED = st.one_of(
    st.builds(lambda mask: Filled((mask,), ()), candidates()),
    st.builds(Filled, st.lists(candidates(), min_size=2, max_size=3).map(tuple), SEQUENCES),
)
VECTORS = st.lists(st.floats(-100, 100, width=16), min_size=3, max_size=3).map(
    lambda numbers: Vector(np.array(numbers, dtype=np.float32))
)
LIKENESSES = st.builds(Likeness, st.floats(0, 1))
ANSWERS: st.SearchStrategy[Answer] = st.one_of(FILLED, VECTORS, LIKENESSES)
PAIRS = st.one_of(*(st.tuples(each, each) for each in (FILLED, VECTORS, LIKENESSES)))
MODERATE = st.floats(-60_000, 60_000, width=32)


def flags(agreement: Agreement) -> tuple[bool, bool, float]:
    return agreement.disagreed, agreement.flipped, round(agreement.severity, 4)


@given(FILLED | LIKENESSES)
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    assert type(answer).unpack(answer.pack()) == answer


@given(arrays(np.float32, st.integers(1, 64), elements=MODERATE))
def test_a_kept_vector_moves_by_less_than_it_is_said(vector: np.ndarray) -> None:
    kept = Vector.unpack(Vector(vector).pack()).numbers
    assert kept.dtype == np.float32
    assert (np.abs(kept - vector) <= np.maximum(np.abs(vector) / 2048, 3e-8)).all()


def test_a_vector_like_a_berts_keeps_its_direction_and_takes_two_bytes_a_number() -> None:
    vector = np.random.default_rng(1).normal(size=768).astype(np.float32)
    vector[300] = -12.0  # BERT's vectors have a few large numbers
    content = Vector(vector).pack()
    kept = Vector.unpack(content).numbers
    cosine = kept @ vector / (np.linalg.norm(kept) * np.linalg.norm(vector))
    assert cosine > 0.999999
    assert len(content) == 2 * 768 + 1


def test_numbers_beyond_half_precision_are_kept_whole() -> None:
    kept = Vector.unpack(Vector(np.array([1e6, 1.0], dtype=np.float32)).pack())
    assert kept.numbers.tolist() == [1e6, 1.0]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [None, b"", b"\x00garbage", b"\x01odd", b"{", b"null", b"{}", b'"text"'])
def test_what_is_not_ours_is_no_answer(kind: type[Answer], value: bytes | None) -> None:
    assert unpacked(kind, value) is None


@given(answer=FILLED, limit=st.integers(0, 200))
def test_what_is_said_not_to_fit_does_not_fit(answer: Filled, limit: int) -> None:
    assert answer.may_fit(limit) or len(answer.pack()) > limit


def test_a_large_answer_need_not_be_packed_to_know_that_it_is_large() -> None:
    large, small = (Filled(((Candidate("好", 0.5, "好" * count, 0),),), ()) for count in (100_000, 1000))
    assert not large.may_fit(64 * 1024)
    assert small.may_fit(64 * 1024)


@given(PAIRS)
def test_it_does_not_matter_which_of_the_two_is_the_canary(pair: tuple[Answer, Answer]) -> None:
    one, other = pair
    assert flags(one.compared(other)) == flags(other.compared(one))


@given(ANSWERS)
def test_an_answer_agrees_with_itself(answer: Answer) -> None:
    same = answer.compared(answer)
    assert not same.disagreed
    assert same.severity < 1e-5


@given(PAIRS)
def test_the_severity_is_a_share(pair: tuple[Answer, Answer]) -> None:
    assert 0 <= pair[0].compared(pair[1]).severity <= 1


@given(PAIRS)
def test_without_the_texts_two_answers_compare_the_same(pair: tuple[Answer, Answer]) -> None:
    one, other = pair
    noted = type(one).unpack(one.bare().pack())
    assert flags(noted.compared(other))[:2] == flags(one.compared(other))[:2]
    assert noted.compared(other).severity == pytest.approx(one.compared(other).severity, abs=1e-3)


def test_a_bare_answer_holds_no_text_of_the_request() -> None:
    answer = Filled(
        (mask("好", sequence="密码好"), mask("的", sequence="密码的")), (Sequence("密码", ("好", "的"), 0.1),)
    )
    assert "密码" not in answer.bare().pack().decode()
    assert "密码" not in answer.shown()


def mask(tokens: str, best: float = 0.6, sequence: str = "...") -> tuple[Candidate, ...]:
    scores = [best, *(0.1 / n for n in range(1, len(tokens)))]
    return tuple(Candidate(token, score, sequence, 0) for token, score in zip(tokens, scores, strict=False))


def named(*masks: str, best: float = 0.6) -> Filled:
    return Filled(tuple(mask(tokens, best) for tokens in masks), ())


def test_another_best_candidate_is_a_flip_and_no_disagreement_while_the_former_is_among_the_others() -> None:
    said = named("好的很大美").compared(named("大好很的美"))
    assert (said.flipped, said.disagreed) == (True, False)
    assert said.sentence == "best candidates 好 0.60 and 大 0.60; 5 of 5 candidates in common"


def test_bests_that_the_other_does_not_name_at_all_are_a_disagreement() -> None:
    said = named("好的很大美").compared(named("坏的很大美"))
    assert (said.flipped, said.disagreed) == (True, True)


def test_of_one_candidate_a_flip_counts_if_one_of_the_two_was_sure() -> None:
    assert named("好", best=0.9).compared(named("坏", best=0.2)).disagreed
    assert not named("好", best=0.4).compared(named("坏", best=0.3)).disagreed


def test_of_several_masks_most_decide() -> None:
    assert not named("好的很大", "人我在有").compared(named("好的很大", "一是不了")).disagreed
    assert named("好的很大", "人我在有").compared(named("一是不了", "一是不了")).disagreed


def test_a_vector_that_was_turned_about_is_another() -> None:
    vector = np.array([1.0, 2.0, 3.0], dtype=np.float32)
    said = Vector(vector).compared(Vector(-vector))
    assert (said.flipped, said.disagreed, said.severity) == (True, True, 1.0)
    assert not Vector(vector).compared(Vector(2 * vector)).disagreed


def test_similarities_may_lie_a_fifth_apart() -> None:
    assert not Likeness(0.55).compared(Likeness(0.4)).disagreed
    assert Likeness(0.55).compared(Likeness(0.4)).flipped
    assert Likeness(0.9).compared(Likeness(0.5)).disagreed


def test_answers_of_another_form_disagree_and_nothing_fails() -> None:
    short, long = (Vector(np.zeros(count, dtype=np.float32)) for count in (2, 3))
    assert short.compared(long).disagreed
    assert named("好").compared(named("好", "坏")).disagreed
    assert named("好").compared(named("")).disagreed


def test_what_is_shown_is_short() -> None:
    assert named("好坏的了").shown() == "好 0.600, 坏 0.100, 的 0.050"
    assert "length 5.00" in Vector(np.array([3.0, 4.0], dtype=np.float32)).shown()


def test_an_answer_is_unsure_of_each_mask_whose_best_candidate_is_a_guess() -> None:
    assert named("京海", best=0.9).unsure == [False]
    assert named("京海", best=0.05).unsure == [True]
    assert named("京", best=FLOOR).unsure == [False]
    assert Filled((mask("京", 0.9), mask("京", 0.09)), ()).unsure == [False, True]


@pytest.mark.parametrize(
    "answer", [Filled((), ()), named(""), Likeness(0.3), Vector(np.zeros(4, dtype=np.float32))]
)
def test_answers_without_a_probability_do_not_count(answer: Answer) -> None:
    assert list(answer.unsure) == []


def test_a_pod_counts_answers_and_those_it_is_unsure_of_by_route(tiny: Tiny) -> None:
    pod = build(tiny.settings(version="1.1"))
    pod.load()
    client = wrap(pod).test_client()
    asked = ("/fill-mask", {"text": ["中国的首都是[MASK]。", "北[MASK]"]})
    answered = client.post(asked[0], json=asked[1]).json["result"]  # type: ignore[index] # a JSON answer
    client.post(asked[0], json=asked[1], headers={"x-bertmesh-route": "1.0"})
    client.post("/feature-extraction", json={"text": "北京"})
    shown = client.get("/metrics").text.splitlines()
    pod.close()
    assert 'bertmesh_answers_total{model_version="1.1",route="primary"} 2.0' in shown
    assert 'bertmesh_answers_total{model_version="1.1",route="mirror"} 2.0' in shown
    low = 'bertmesh_low_confidence_total{model_version="1.1",route="primary"}'
    assert f"{low} {float(sum(text[0]['score'] < FLOOR for text in answered))}" in shown


def test_an_answer_that_was_kept_is_not_counted_again(tiny: Tiny) -> None:
    pod = build(tiny.settings(version="1.1", cache_local_bytes=1 << 20))
    pod.load()
    client = wrap(pod).test_client()
    texts = ["中国的首都是[MASK]。", "北[MASK]", "[MASK]京"]
    for count in (2, 2, 3):
        client.post("/fill-mask", json={"text": texts[:count]})
    shown = client.get("/metrics").text.splitlines()
    pod.close()
    assert 'bertmesh_answers_total{model_version="1.1",route="primary"} 3.0' in shown
