import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnsupportedModel
from service.text.codec import Codec, Mask
from tests.service.tiny import CHARACTERS, POSITIONS, VOCABULARY, codec, write_tokenizer


@pytest.fixture(scope="module")
def tiny_codec(tmp_path_factory: pytest.TempPathFactory) -> Codec:
    return codec(tmp_path_factory.mktemp("tokenizer"))


PIECES = st.lists(st.sampled_from(["[MASK]", "😀", "👨‍👩‍👧", "é", "龘", " ", *CHARACTERS[:40]]), max_size=20)


def test_models_with_the_same_words_share_a_tokenizer_and_others_do_not(tmp_path: Path) -> None:
    first, same, other = (tmp_path / name for name in ("first", "same", "other"))
    for folder in (first, same, other):
        folder.mkdir()
        write_tokenizer(folder)
    (other / "tokenizer_config.json").write_text('{"do_lower_case": false}', encoding="utf-8")
    codec = Codec.load(first, 64)
    assert Codec.load(same, 64) is codec
    assert Codec.load(other, 64) is not codec
    assert Codec.load(same, 32).limit == 32


@given(pieces=PIECES)
def test_every_mask_is_found_where_it_stands_in_code_points(tiny_codec: Codec, pieces: list[str]) -> None:
    text = "".join(pieces)
    encoded = tiny_codec.encode(text)
    assert [text[mask.start : mask.end] for mask in encoded.masks] == ["[MASK]"] * pieces.count("[MASK]")
    assert all(encoded.ids[mask.position] == VOCABULARY["[MASK]"] for mask in encoded.masks)


def test_offsets_after_an_emoji_count_it_as_one_code_point(tiny_codec: Codec) -> None:
    assert tiny_codec.encode("😀好[MASK]").masks == (Mask(position=3, start=2, end=8),)


def test_nothing_is_truncated(tiny_codec: Codec) -> None:
    assert len(tiny_codec.encode("好" * 5000).ids) == 5002


def test_vocab_txt_alone_gives_the_same_ids_as_tokenizer_json(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    text = "今天AB天气[MASK]好。aa"
    full = Codec.load(tmp_path, POSITIONS).encode(text)
    (tmp_path / "tokenizer.json").unlink()
    assert Codec.load(tmp_path, POSITIONS).encode(text) == full


def test_a_vocabulary_with_case_keeps_it_where_the_configuration_says_so(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    unknown = VOCABULARY["[UNK]"]
    assert Codec.load(tmp_path, POSITIONS).encode("A").ids[1] == unknown


def test_special_and_unused_tokens_have_no_name(tiny_codec: Codec) -> None:
    names = [tiny_codec.token(index) for index in range(7)]
    assert names == [None] * 6 + [CHARACTERS[0]]
    assert tiny_codec.token(len(VOCABULARY) + 5) is None


def test_many_threads_may_encode_at_once(tiny_codec: Codec) -> None:
    texts = ["好" * length for length in range(1, 60)] * 10
    with ThreadPoolExecutor(8) as pool:
        lengths = [len(encoded.ids) for encoded in pool.map(tiny_codec.encode, texts)]
    assert lengths == [len(text) + 2 for text in texts]


def test_a_tokenizer_without_a_mask_is_refused(tmp_path: Path) -> None:
    write_tokenizer(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"mask_token": {"content": "<mask>"}}))
    with pytest.raises(UnsupportedModel, match="a tokenizer without <mask>; a mask token needed"):
        Codec.load(tmp_path, POSITIONS)


def test_a_tokenizer_that_cannot_be_read_is_refused_with_its_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(UnsupportedModel, match=f"a tokenizer in {tmp_path} that cannot be read"):
        Codec.load(tmp_path, POSITIONS)
