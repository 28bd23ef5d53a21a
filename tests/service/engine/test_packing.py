import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from service.engine import Array
from service.engine.packing import INPUTS, Indices, Pack, filled, passes

TEXTS = st.lists(st.lists(st.integers(0, 99), min_size=1, max_size=12), min_size=1, max_size=9)


def packed(texts: list[list[int]]) -> Pack:
    """Want all tokens of all texts."""
    return Pack.of(texts, [range(len(text)) for text in texts])


def texts_with_places() -> st.SearchStrategy[list[tuple[list[int], list[int]]]]:
    """Draw texts, and some places in each."""
    text = st.lists(st.integers(0, 99), min_size=1, max_size=12)
    return st.lists(
        text.flatmap(
            lambda ids: st.tuples(
                st.just(ids), st.lists(st.integers(0, len(ids) - 1), min_size=1, max_size=4)
            )
        ),
        min_size=1,
        max_size=9,
    )


def seen_by(token: int, layout: Indices, kept: Indices, mask: Array, pack: Pack) -> list[int]:
    """Return the ids that a token may look at."""
    row, place = divmod(int(kept[token]), layout.shape[1])
    ids: list[int] = pack.ids[pack.rows[row]][mask[row, 0, place] == 0].tolist()
    return ids


@given(texts=TEXTS)
def test_every_text_comes_back_from_the_rows(texts: list[list[int]]) -> None:
    pack = packed(texts)
    kept = pack.ids[pack.rows].reshape(-1)[pack.kept]
    assert [kept[pack.text(index)].tolist() for index in range(len(texts))] == texts


@given(number=st.integers(1, 2048))
def test_few_sizes_occur_and_none_is_much_too_large(number: int) -> None:
    size = len(filled(np.ones(number, np.int32)))
    assert number <= size <= max(number + 3, number * 17 / 16)
    assert len({len(filled(np.ones(each, np.int32))) for each in range(number, 2 * number)}) <= 17


@given(texts=TEXTS)
def test_a_token_sees_its_own_text_and_no_other(texts: list[list[int]]) -> None:
    pack = packed(texts)
    owners = [text for text in texts for _ in text]
    seen = [seen_by(token, pack.rows, pack.kept, pack.mask, pack) for token in range(len(owners))]
    assert seen == owners


@given(drawn=texts_with_places())
def test_what_is_wanted_is_asked_and_sees_its_own_text(drawn: list[tuple[list[int], list[int]]]) -> None:
    texts, places = [ids for ids, _ in drawn], [wanted for _, wanted in drawn]
    pack = Pack.of(texts, places)
    expected = [[ids[place] for place in wanted] for ids, wanted in drawn]
    assert [pack.ids[pack.wanted][pack.text(index)].tolist() for index in range(len(texts))] == expected
    asked = pack.ids[pack.asked].reshape(-1)[pack.answered]
    assert [asked[pack.text(index)].tolist() for index in range(len(texts))] == expected
    owners = [ids for ids, wanted in drawn for _ in wanted]
    seen = [seen_by(token, pack.asked, pack.answered, pack.asked_mask, pack) for token in range(len(owners))]
    assert seen == owners


@given(texts=TEXTS)
def test_short_texts_share_rows(texts: list[list[int]]) -> None:
    rows, longest = packed(texts).rows.shape
    assert max(map(len, texts)) <= longest < max(map(len, texts)) + 8
    assert rows * longest < 2 * sum(map(len, texts)) + longest


@given(texts=TEXTS)
def test_positions_count_from_each_text_s_start(texts: list[list[int]]) -> None:
    expected = [place for text in texts for place in range(len(text))]
    assert packed(texts).positions[: len(expected)].tolist() == expected


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


def test_inputs_are_what_the_graph_reads() -> None:
    pack = Pack.of([[5, 6], [7]], [[1], [0]])
    for name, (shape, kind) in INPUTS.items():
        array = getattr(pack, name)
        assert array.dtype == np.dtype(kind), name
        assert len(array.shape) == len(shape), name
