"""Questions to a model: a sentence with one hidden character and the character that belongs there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from training.documents import Document, chance
from training.text import is_hanzi
from training.texts import Texts

MASK_TOKEN = "[MASK]"  # noqa: S105 - a token of text, not a secret
LONGEST = 110
SHORTEST = 6
IDIOM_LENGTH = 4
MOST = 3000
RECALL = "(trained on)"
"""Group of the probes whose text training has seen; no temperature is fitted on them."""
NAMES = {"idioms": "unseen_idiom_entries", "dictionary": "unseen_dictionary_entries"}


@dataclass(frozen=True)
class Probe:
    """A text with one [MASK] and its answer; `group` is the document it came from."""

    text: str
    answer: str
    group: str


def hide(text: str, place: int, group: str) -> Probe:
    """Hide the character at `place`."""
    return Probe(text[:place] + MASK_TOKEN + text[place + 1 :], text[place], group)


def from_documents(documents: Iterable[Document], seed: int, a_sentence: int = 2) -> Iterator[Probe]:
    """Hide `a_sentence` Chinese characters, one at a time, in each sentence of fair length."""
    for document in documents:
        for text in document.texts:
            if SHORTEST <= len(text) <= LONGEST:
                yield from (hide(text, place, document.key) for place in _places(text, seed, a_sentence))


def _places(text: str, seed: int, many: int) -> Sequence[int]:
    hanzi = [place for place, character in enumerate(text) if is_hanzi(character)]
    return sorted(hanzi, key=lambda place: chance(seed, f"{place}:{text}"))[:many]


def from_examples(documents: Iterable[Document], seed: int) -> Iterator[Probe]:
    """Hide one character of the idiom in the example sentence that shows its use."""
    for document in documents:
        idiom = document.key.removeprefix("example-")
        for text in document.texts:
            found = re.search(re.escape(idiom), text)
            if found and len(idiom) == IDIOM_LENGTH and SHORTEST <= len(text) <= LONGEST:
                yield hide(text, found.start() + int(chance(seed, text) * len(idiom)), document.key)


def alone(idioms: Iterable[str], seed: int) -> Iterator[Probe]:
    """Hide one character of each idiom of four, with no sentence around it."""
    for idiom in idioms:
        if len(idiom) == IDIOM_LENGTH and all(map(is_hanzi, idiom)):
            yield hide(idiom, int(chance(seed, idiom) * IDIOM_LENGTH), RECALL)


def sample(probes: Iterable[Probe], most: int, seed: int) -> list[Probe]:
    """At most `most` probes, chosen by a hash, so that the choice does not depend on order."""
    return sorted(set(probes), key=lambda probe: chance(seed, f"{probe.text}={probe.answer}"))[:most]


def questions(texts: Texts, seed: int, most: int = MOST) -> dict[str, list[Probe]]:
    """Questions of each held-out domain, reviews among them.

    `idioms` asks for a character of an idiom in a held-out example; `known_idioms_alone` asks what
    training has seen (idioms that have an example, by themselves): recall, not foresight.
    """
    grouped: dict[str, list[Document]] = {}
    for document in (*texts.base.held_out, *texts.reviews.held_out):
        grouped.setdefault(document.domain, []).append(document)
    examples = grouped.pop("examples", [])
    found = {NAMES.get(name, name): from_documents(grouped[name], seed) for name in sorted(grouped)}
    found["idioms"] = from_examples(examples, seed)
    known = [d.key.removeprefix("example-") for d in texts.base.train if d.domain == "examples"]
    found["known_idioms_alone"] = alone(known, seed)
    sampled = {name: sample(probes, most, seed) for name, probes in found.items()}
    return {name: probes for name, probes in sampled.items() if probes}
