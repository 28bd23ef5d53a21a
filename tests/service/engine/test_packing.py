import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.engine.packing import Pack, passes

TEXTS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=12), min_size=1, max_size=9)


@given(texts=TEXTS)
def test_every_text_comes_back_from_the_padded_layout(texts: list[list[int]]) -> None:
    pack = Pack.of(texts)
    padded = pack.ids[pack.rows]
    kept = padded.reshape(-1)[pack.kept]
    assert [kept[pack.text(index)].tolist() for index in range(len(texts))] == texts


@given(texts=TEXTS)
def test_a_text_sees_its_own_tokens_and_no_others(texts: list[list[int]]) -> None:
    pack = Pack.of(texts)
    visible = (pack.mask[:, 0, 0, :] == 0).sum(axis=1)
    assert visible.tolist() == [len(text) for text in texts]
    assert pack.mask.shape == (len(texts), 1, 1, max(map(len, texts)))


@given(texts=TEXTS)
def test_positions_count_from_each_text_s_start(texts: list[list[int]]) -> None:
    expected = [place for text in texts for place in range(len(text))]
    assert Pack.of(texts).positions.tolist() == expected


@given(lengths=st.lists(st.integers(1, 512), max_size=60))
def test_every_text_is_in_one_pass_of_bounded_memory(lengths: list[int]) -> None:
    groups = passes(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    for group in groups:
        sizes = [lengths[index] for index in group]
        assert sum(sizes) <= 2048
        assert len(sizes) * max(sizes) ** 2 <= 2**20


def test_32_sentences_share_one_pass() -> None:
    assert len(passes([12 + number for number in range(32)])) == 1


def test_indices_are_what_the_graph_reads() -> None:
    pack = Pack.of([[5, 6], [7]])
    assert {array.dtype for array in (pack.ids, pack.positions, pack.rows, pack.kept)} == {np.dtype(np.int32)}
    assert pack.mask.dtype == np.float32
