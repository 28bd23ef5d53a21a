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
    except ValueError as error:
        raise BadGolden(name, f"no JSON: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("sentences"), list):
        raise BadGolden(name, "no object with a list under the key sentences")
    if document.get("schema", SCHEMA) != SCHEMA:
        raise BadGolden(name, f"schema {document.get('schema')}, this is {SCHEMA}")
    rows = document["sentences"]
    if not rows:
        raise BadGolden(name, "no sentence at all")
    try:
        return tuple(map(_sentence, range(1, len(rows) + 1), rows))
    except ValueError as error:
        raise BadGolden(name, str(error)) from error


def _sentence(number: int, row: object) -> Sentence:
    """Return a sentence; raises ValueError with what is wrong with it, and where."""
    wrong = _problem(row)
    if wrong or not isinstance(row, dict):
        message = f"sentence {number}: {wrong}"
        raise ValueError(message)
    return Sentence(row["text"], tuple(row["answers"]))


def _problem(row: object) -> str:
    if not isinstance(row, dict):
        return f"it is {row!r}, an object with the keys text and answers needed"
    text, answers = row.get("text"), row.get("answers")
    if missing := {"text", "answers"} - row.keys():
        return f"the key {' and '.join(sorted(missing))} is missing, its keys are {', '.join(row) or 'none'}"
    if not isinstance(text, str) or text.count(MASK) != 1:
        return f"text is {text!r}, a text with exactly one {MASK} needed"
    if not isinstance(answers, list) or not answers or not all(isinstance(each, str) for each in answers):
        return f"answers is {answers!r}, a list of the tokens that are right needed"
    return ""
