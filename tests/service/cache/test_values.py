import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.cache.values import may_fit, pack, unpack

MODERATE = st.floats(-60_000, 60_000, width=32)


@given(arrays(np.float32, st.integers(1, 64), elements=MODERATE))
def test_a_kept_vector_moves_by_less_than_it_is_said(vector: np.ndarray) -> None:
    kept = unpack(pack(vector))
    assert isinstance(kept, np.ndarray)
    assert kept.dtype == np.float32
    assert (np.abs(kept - vector) <= np.maximum(np.abs(vector) / 2048, 3e-8)).all()


def test_a_vector_like_a_berts_keeps_its_direction_and_takes_two_bytes_a_number() -> None:
    vector = np.random.default_rng(1).normal(size=768).astype(np.float32)
    vector[300] = -12.0  # BERT's vectors have a few large numbers
    kept = unpack(pack(vector))
    assert isinstance(kept, np.ndarray)
    cosine = kept @ vector / (np.linalg.norm(kept) * np.linalg.norm(vector))
    assert cosine > 0.999999
    assert len(pack(vector)) == 2 * 768 + 1


def test_numbers_beyond_half_precision_are_kept_whole() -> None:
    kept = unpack(pack(np.array([1e6, 1.0], dtype=np.float32)))
    assert kept == [1e6, 1.0]


JSON = st.recursive(
    st.floats(allow_nan=False, allow_infinity=False) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abc"), inner),
)


@given(st.lists(JSON) | st.floats(0, 1))
def test_every_other_answer_comes_back_as_it_was(answer: list[object] | float) -> None:
    assert unpack(pack(answer)) == answer


@pytest.mark.parametrize("value", [None, b"", b"\x00garbage", b"\x01odd", b"{"])
def test_what_is_not_ours_is_no_answer(value: bytes | None) -> None:
    assert unpack(value) is None


@given(answer=st.lists(JSON), limit=st.integers(0, 200))
def test_what_is_said_not_to_fit_does_not_fit(answer: list[object], limit: int) -> None:
    assert may_fit(answer, limit) or len(pack(answer)) > limit


def test_a_large_answer_need_not_be_packed_to_know_that_it_is_large() -> None:
    assert not may_fit([{"sequence": "好" * 100_000}], 64 * 1024)
    assert may_fit([{"sequence": "好" * 1000}], 64 * 1024)
