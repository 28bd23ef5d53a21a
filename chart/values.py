"""values.yaml as it is read by people: each value with its comment and what the comment says it may be.

A comment right above a key is its description. Lines in it that begin with `@schema` are YAML; together they
are keywords of JSON Schema for the value. Two words are our own: `merge: SECTION` gives objects the
properties of that section besides their own, `open: true` lets a section have further keys.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from chart.errors import Undocumented

MARK: Final = "@schema"
LEAVES: Final = frozenset({"additionalProperties", "type", "items", "properties"})
"""Keywords that say what a mapping holds, so that it has no documented keys of its own."""


@dataclass(frozen=True)
class Field:
    """One value: where it is, what its comment says, its default, and the fields below it."""

    path: tuple[str, ...]
    description: str
    hints: Mapping[str, Any]
    default: Any
    fields: tuple["Field", ...] = ()

    @property
    def name(self) -> str:
        """The key."""
        return self.path[-1]

    @property
    def key(self) -> str:
        """The path as people write it: ``image.tag``."""
        return ".".join(self.path)


def read(text: str) -> tuple[Field, ...]:
    """Return the fields of a values file.

    Raises:
        Undocumented: a value has no comment.
    """
    node = yaml.compose(text, Loader=yaml.CSafeLoader)
    if not isinstance(node, yaml.MappingNode):
        whole = "the file"
        raise Undocumented(whole, "mapping at the top")
    return tuple(_fields(node, yaml.safe_load(text), text.splitlines(), ()))


def _fields(
    node: yaml.MappingNode, values: Mapping[str, Any], lines: list[str], path: tuple[str, ...]
) -> Iterator[Field]:
    for key, inner in node.value:
        here = (*path, str(key.value))
        description, hints = _comment(lines, key.start_mark.line, ".".join(here))
        value = values[key.value]
        section = isinstance(inner, yaml.MappingNode) and bool(inner.value) and not LEAVES & set(hints)
        below = tuple(_fields(inner, value, lines, here)) if section else ()
        if not below and not description:
            raise Undocumented(".".join(here), "description")
        yield Field(here, description, hints, value, below)


def _comment(lines: list[str], line: int, where: str) -> tuple[str, Mapping[str, Any]]:
    """Return description and hints from the comment that ends right above ``line``."""
    first = line
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    said = [each.lstrip()[1:].removeprefix(" ") for each in lines[first:line]]
    words = " ".join(each.strip() for each in said if not each.startswith(MARK))
    schema = "\n".join(each.removeprefix(MARK).removeprefix(" ") for each in said if each.startswith(MARK))
    hints = yaml.safe_load(schema) or {}
    if not isinstance(hints, dict):
        raise Undocumented(where, f"mapping after {MARK}")
    return words, hints
