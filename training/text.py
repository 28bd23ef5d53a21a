"""Cleaning Chinese text: normal forms, sentences, and words by longest match. No I/O."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator

CHINESE_PUNCTUATION = frozenset("，。：；！？（）、《》〈〉“”‘’「」『』【】〖〗—…～·")
"""Marks that stay as Chinese readers type them; NFKC would turn most into ASCII."""

_FOLDED = re.compile("[^" + "".join(sorted(CHINESE_PUNCTUATION)) + "]+")
HANZI = "\u4e00-\u9fff"
_HANZI = re.compile(f"[{HANZI}]")
_SPACE_BETWEEN_HANZI = re.compile(f"(?<=[{HANZI}，。：；！？、]) +(?=[{HANZI}，。：；！？、])")
_ASCII_MARK = re.compile(f"(?<=[{HANZI}])[,;:!?]|[,;:!?](?=[{HANZI}])")
_SENTENCE = re.compile("[^。！？!?]*[。！？!?]+[”’」』）)]*|[^。！？!?]+$")
_FULL_WIDTH_MARK = {",": "，", ";": "；", ":": "：", "!": "！", "?": "？"}
LONGEST_WORD = 4


def normalise(text: str) -> str:
    """Fold width and compatibility forms (NFKC) but keep Chinese punctuation; collapse spaces.

    ASCII marks beside a Chinese character become Chinese marks, so that one mark has one form.
    """
    folded = _FOLDED.sub(lambda run: unicodedata.normalize("NFKC", run.group()), text)
    folded = " ".join("".join(c for c in folded if c.isprintable() or c.isspace()).split())
    folded = _SPACE_BETWEEN_HANZI.sub("", folded)
    return _ASCII_MARK.sub(lambda mark: _FULL_WIDTH_MARK[mark.group()], folded)


def is_hanzi(character: str) -> bool:
    """Tell whether one character is a common Chinese character."""
    return bool(_HANZI.fullmatch(character))


def hanzi_share(text: str) -> float:
    """Share of Chinese characters in `text`, 0 for an empty one."""
    return len(_HANZI.findall(text)) / len(text) if text else 0.0


def is_chinese(text: str, *, least: int = 4, share: float = 0.4) -> bool:
    """Tell whether `text` has at least `least` Chinese characters that make up `share` of it."""
    return len(_HANZI.findall(text)) >= least and hanzi_share(text) >= share


def sentences(text: str) -> Iterator[str]:
    """Cut after a full stop, question or exclamation mark and the quotes that close with it."""
    for match in _SENTENCE.finditer(text):
        if sentence := match.group().strip():
            yield sentence


def words(text: str, known: Collection[str]) -> tuple[str, ...]:
    """Cut `text` by forward longest match against `known`; what is not known is one character a word.

    Joining the answer gives `text` back.
    """
    found, start = [], 0
    while start < len(text):
        longest = min(LONGEST_WORD, len(text) - start)
        size = next((n for n in range(longest, 1, -1) if text[start : start + n] in known), 1)
        found.append(text[start : start + size])
        start += size
    return tuple(found)
