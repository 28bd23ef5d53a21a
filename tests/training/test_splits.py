"""Held-out text and training text never overlap."""

from pathlib import Path

from training import corpora, reviews, texts, tiny
from training.documents import SHORTEST_SHARED, Document, Split, split
from training.readers import Raw


def _texts(documents: tuple[Document, ...]) -> set[str]:
    return {text for document in documents for text in document.texts if len(text) >= SHORTEST_SHARED}


def _document(key: str, *sentences: str, domain: str = "news") -> Document:
    return Document(domain, "test", key, tuple((sentence,) for sentence in sentences))


def test_no_longer_sentence_stands_on_both_sides() -> None:
    documents = [
        _document(f"d{n}", f"第{n}篇文章里的一句话。", "每篇文章都有的同一句话。") for n in range(100)
    ]
    parts = split(documents, seed=1, shares={"news": 0.3})
    assert parts.train
    assert parts.held_out
    assert not _texts(parts.train) & _texts(parts.held_out)


def test_a_repeated_sentence_is_kept_once() -> None:
    parts = split([_document("a", "同样的一句话说了两遍。"), _document("b", "同样的一句话说了两遍。")], 1, {})
    assert [document.key for document in parts.train] == ["a"]


def test_the_split_depends_on_seed_and_key_not_on_order() -> None:
    documents = [_document(f"d{n}", f"第{n}篇文章里的一句话。") for n in range(50)]
    forward = split(documents, 1, {"news": 0.5}).held_out
    backward = split(reversed(documents), 1, {"news": 0.5}).held_out
    assert {d.key for d in forward} == {d.key for d in backward}
    assert {d.key for d in forward} != {d.key for d in split(documents, 2, {"news": 0.5}).held_out}


def test_an_unseen_entry_is_unseen_in_examples_too() -> None:
    base = corpora.prepare(tiny.base(), 3, {"idioms": 0.5})
    unseen = {d.key.removeprefix("entry-") for d in base.held_out}
    assert unseen
    assert not any(idiom in text for idiom in unseen for d in base.train for text in d.texts)


def test_reviews_lose_duplicates_double_labels_and_what_the_base_has_seen() -> None:
    raw = [
        Raw("reviews", "reviews-pos", "1", ("房间非常干净，服务也很周到。",)),
        Raw("reviews", "reviews-pos", "2", ("房间非常干净,服务也很周到!",)),
        Raw("reviews", "reviews-pos", "3", ("这家店两种标签都有的评论。",)),
        Raw("reviews", "reviews-neg", "4", ("这家店两种标签都有的评论。",)),
        Raw("reviews", "reviews-neg", "5", ("报纸上也登过的一句评论。",)),
    ]
    base = Split(train=(_document("n", "报纸上也登过的一句评论。"),), held_out=())
    parts = reviews.prepare(raw, base, seed=1, known=frozenset(), simplify=str)
    kept = [text for document in (*parts.train, *parts.held_out) for text in document.texts]
    assert kept == ["房间非常干净，服务也很周到。"]


def test_reviews_and_base_texts_have_no_sentence_in_common() -> None:
    found = texts.small(Path("unused"), seed=7)
    sides = [found.base.train, found.base.held_out, found.reviews.train, found.reviews.held_out]
    for number, side in enumerate(sides):
        for other in sides[number + 1 :]:
            assert not _texts(side) & _texts(other)
