"""Golden sets: sentences whose masks a sound model fills rightly.

A golden set is a JSON file: ``{"schema": 1, "sentences": [{"text": "中国的首都是北[MASK]。", "answers":
["京"]}, ...]}``. Each text has one [MASK]. Other keys (``domain``, ``note``) are for people.
"""

import json
from dataclasses import dataclass
from typing import Final

from modelstore.errors import BadGolden

FILE: Final = "golden.json"
SCHEMA: Final = 1
MASK: Final = "[MASK]"


@dataclass(frozen=True)
class Sentence:
    """A text with one mask, and the tokens that are right for it."""

    text: str
    answers: tuple[str, ...]


def read_golden(data: bytes, name: str) -> tuple[Sentence, ...]:
    """Return the sentences of a golden set; ``name`` is what the error calls it.

    Raises:
        BadGolden: it is none.
    """
    try:
        document = json.loads(data)
        rows = document["sentences"]
        sentences = tuple(Sentence(row["text"], tuple(row["answers"])) for row in rows)
    except (ValueError, TypeError, KeyError) as error:
        raise BadGolden(name, f"{type(error).__name__}: {error}") from error
    if document.get("schema", SCHEMA) != SCHEMA:
        raise BadGolden(name, f"schema {document.get('schema')}, this is {SCHEMA}")
    for sentence in sentences:
        if not isinstance(sentence.text, str) or sentence.text.count(MASK) != 1 or not sentence.answers:
            raise BadGolden(
                name, f"a sentence without exactly one {MASK} or without answers: {sentence.text}"
            )
    if not sentences:
        raise BadGolden(name, "no sentence at all")
    return sentences
