"""Everything a run needs of its texts, made once: vocabulary, encoded domains, held-out documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from training.documents import Document, Split, chance
from training.encoding import Encoded, encode
from training.vocabulary import Vocabulary, build

TIMES_WITH_EXAMPLE = 3
"""An idiom for which the dictionary has an example is a common one: it stands so often in `heads`."""
FRAMES = 2
FRAME_WORDS = 6
SHORTEST_FRAME = 6


@dataclass(frozen=True)
class Prepared:
    """Texts to train on, by domain, and documents that training never sees."""

    vocabulary: Vocabulary
    domains: dict[str, Encoded]
    held_out: tuple[Document, ...]

    @property
    def tokens(self) -> dict[str, int]:
        """Training tokens of each domain."""
        return {name: len(encoded.ids) for name, encoded in self.domains.items()}


def prepare(split: Split, vocabulary_size: int) -> Prepared:
    """Build the vocabulary from the training documents and encode them by domain."""
    return group(split, build((text for document in split.train for text in document.texts), vocabulary_size))


def group(split: Split, vocabulary: Vocabulary) -> Prepared:
    """Encode the training documents by domain with a vocabulary that is there already."""
    tokenizer = vocabulary.tokenizer()
    domains = {
        name: encode(documents, tokenizer) for name, documents in sorted(by_domain(split.train).items())
    }
    return Prepared(vocabulary, domains, split.held_out)


def by_domain(documents: Iterable[Document]) -> dict[str, list[Document]]:
    """Group documents by domain; idioms include their examples, which are a domain apart as well.

    `heads` holds idioms by themselves, each a document, and `common` those that have an example,
    which `framed` puts among the words of other sentences.
    """
    grouped: dict[str, list[Document]] = {}
    for document in documents:
        grouped.setdefault(document.domain, []).append(document)
        if document.domain == "examples":
            grouped.setdefault("idioms", []).append(document)
    common = {document.key.removeprefix("example-") for document in grouped.get("examples", [])}
    heads = [
        replace(d, domain="heads", sentences=d.sentences[:1])
        for d in grouped.get("idioms", [])
        if _is_entry(d)
    ]
    grouped["heads"] = [d for d in heads for _ in range(TIMES_WITH_EXAMPLE if d.texts[0] in common else 1)]
    grouped["framed"] = framed([d for d in heads if d.texts[0] in common], grouped.get("news", []))
    grouped["common"] = [d for d in heads if d.texts[0] in common]
    return {name: documents for name, documents in grouped.items() if documents}


def framed(idioms: Sequence[Document], news: Iterable[Document]) -> list[Document]:
    """Put each idiom into the middle of pieces of FRAMES newspaper sentences, at a word boundary."""
    frames = [words for document in news for words in document.sentences if len(words) >= SHORTEST_FRAME]
    found = []
    for idiom in idioms if frames else ():
        for number in range(FRAMES):
            words = frames[int(chance(number, idiom.key) * len(frames))]
            cut = int(chance(number, f"cut-{idiom.key}") * len(words))
            around = (
                *words[max(0, cut - FRAME_WORDS) : cut],
                *idiom.sentences[0],
                *words[cut : cut + FRAME_WORDS],
            )
            found.append(replace(idiom, domain="framed", sentences=(around,)))
    return found


def _is_entry(document: Document) -> bool:
    return document.key == f"entry-{document.texts[0]}"
