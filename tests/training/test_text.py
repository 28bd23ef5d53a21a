"""Cleaning text: normal forms, sentences, words."""

from hypothesis import given
from hypothesis import strategies as st

from training.text import is_chinese, normalise, sentences, words

WORDS = frozenset({"中国", "人民", "首都", "画蛇添足"})


def test_full_width_letters_and_digits_become_half_width_and_chinese_marks_stay() -> None:
    assert normalise("１９９８年，ＡＢＣ（图）。") == "1998年，ABC（图）。"


def test_ascii_marks_beside_chinese_characters_become_chinese() -> None:
    assert normalise("你好,世界! x, y") == "你好，世界！ x, y"


def test_spaces_between_chinese_characters_are_dropped_and_others_are_kept() -> None:
    assert normalise("  你 好 Linux   内核 ") == "你好 Linux 内核"


def test_a_sentence_ends_with_its_closing_quote() -> None:
    assert list(sentences("他说：“走吧。”我们走了！为什么")) == ["他说：“走吧。”", "我们走了！", "为什么"]


def test_the_longest_known_word_wins() -> None:
    assert words("中国人民画蛇添足了", WORDS) == ("中国", "人民", "画蛇添足", "了")


def test_text_that_is_hardly_chinese_is_recognised() -> None:
    assert is_chinese("这是一个句子。")
    assert not is_chinese("see the manual of ls (1) 列出")


@given(st.text(alphabet="中国人民首都画蛇添足了ab，。"))
def test_words_joined_give_the_text_back(text: str) -> None:
    assert "".join(words(text, WORDS)) == text


@given(st.text())
def test_normalising_twice_changes_nothing_more_in_length(text: str) -> None:
    once = normalise(text)
    assert len(normalise(once)) <= len(once)
