"""What is wrong with a request's fields, in sentences that name the field as its sender knows it. No I/O."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from service.errors import brief, quoted

_SAID: Mapping[str, str] = {
    "missing": "is missing; it is needed: add it",
    "extra_forbidden": "is unknown; only known fields are taken: remove it or check its spelling",
    "literal_error": "is {seen}; {expected} needed: send one of them",
    "greater_than_equal": "is {seen}; at least {ge} needed: raise it",
    "less_than_equal": "is {seen}; at most {le} needed: lower it",
}
_NEEDED: Mapping[str, tuple[str, str]] = {
    "string_type": ("a string", "put the text in quotes"),
    "int_type": ("a whole number", "send it without quotes or point"),
    "float_type": ("a number", "send it without quotes"),
    "bool_type": ("true or false", "send it without quotes"),
    "list_type": ("a list", "put it in brackets"),
    "dict_type": ("an object", "put it in braces"),
    "model_type": ("an object", "put it in braces"),
}
_KINDS: Mapping[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
    str: "a string",
    list: "a list",
    dict: "an object",
}
_OF_THE_PARENT = ("missing", "extra_forbidden")
"""Problems whose location ends with a name whatever is there."""


def complaints(error: ValidationError, fields: Mapping[str, Any]) -> dict[str, str]:
    """Return a sentence for each field that is at fault; ``fields`` are what was validated."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for problem in error.errors(include_url=False):
        found.setdefault(path(problem, fields), []).append(problem)
    return {field: _said(problems) for field, problems in found.items()}


def kind(value: object) -> str:
    """Name a JSON value's kind."""
    return _KINDS.get(type(value), "something else")


def shown(value: object) -> str:
    """Return a JSON value as an error shows it, which may not be as long as a request may be."""
    if isinstance(value, str):
        return quoted(value)
    return kind(value) if isinstance(value, list | dict) else brief(str(value))


def path(problem: Mapping[str, Any], fields: Mapping[str, Any]) -> str:
    """Name a field as in ``inputs[0].shape[1]``.

    pydantic puts the tags of a union's branches into its locations; they are told from names by going
    the same way through what was sent.
    """
    value: Any = fields
    named = problem["type"] in _OF_THE_PARENT
    field = ""
    for number, part in enumerate(problem["loc"], 1):
        if not named and value is problem["input"]:
            break
        if isinstance(part, int):
            field += f"[{part}]"
            value = value[part]
        elif isinstance(value, dict) and (part in value or (named and number == len(problem["loc"]))):
            field += f".{brief(part)}"
            value = value.get(part)
    return field.removeprefix(".") or "body"


def _said(problems: Sequence[Mapping[str, Any]]) -> str:
    """Return a sentence for what is wrong with a field; several are a union's, which needs any of them."""
    first = problems[0]
    context, seen = first.get("ctx", {}), first["input"]
    if first["type"] == "value_error":
        return str(context["error"])
    if first["type"] in _SAID:
        return _SAID[first["type"]].format(seen=shown(seen), **context)
    needs = [_NEEDED.get(each["type"], ("another value", "see the documentation")) for each in problems]
    *others, last = dict.fromkeys(need for need, _ in needs)
    needed = f"{', '.join(others)} or {last}" if others else last
    return f"is {kind(seen)}; {needed} needed: {'send one of them' if others else needs[0][1]}"
