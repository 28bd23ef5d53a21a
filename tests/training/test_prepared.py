"""How documents are grouped into the domains that a run draws from."""

from pathlib import Path

import pytest

from training import texts
from training.documents import Document
from training.prepared import by_domain

IDIOM = "画蛇添足"


@pytest.fixture(scope="module")
def grouped() -> dict[str, list[Document]]:
    return by_domain(texts.small(Path("unused"), seed=7).base.train)


def test_examples_are_part_of_the_idioms(grouped: dict[str, list[Document]]) -> None:
    assert set(grouped["examples"]) <= set(grouped["idioms"])


def test_idioms_with_an_example_are_common_and_come_more_often(grouped: dict[str, list[Document]]) -> None:
    heads = [document.texts[0] for document in grouped["heads"]]
    common = {document.texts[0] for document in grouped["common"]}
    assert common
    assert all(heads.count(idiom) == 3 for idiom in common)
    assert all(heads.count(idiom) == 1 for idiom in set(heads) - common)


def test_a_framed_idiom_is_one_word_among_words_of_the_newspaper(grouped: dict[str, list[Document]]) -> None:
    known = {word for document in grouped["news"] for words in document.sentences for word in words}
    for document in grouped["framed"]:
        (words,) = document.sentences
        idiom = document.key.removeprefix("entry-")
        assert words.count(idiom) == 1
        assert set(words) - {idiom} <= known


def test_without_a_newspaper_nothing_is_framed() -> None:
    entry = Document("idioms", "t", f"entry-{IDIOM}", ((IDIOM,),))
    example = Document("examples", "t", f"example-{IDIOM}", (("真是", IDIOM, "。"),))
    assert "framed" not in by_domain([entry, example])
