"""Label and field selectors."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.support.kubeapi.problem import bad_request

Labels = Mapping[str, str]
Test = Callable[[Mapping[str, Any]], bool]
SET_FORM = re.compile(r"^(?P<key>[^\s!=()]+)\s+(?P<verb>in|notin)\s+\((?P<values>[^)]*)\)$")
EQUALS_FORM = re.compile(r"^(?P<key>[^\s!=()]+)\s*(?P<verb>==|=|!=)\s*(?P<value>[^\s!=()]*)$")
EXISTS_FORM = re.compile(r"^(?P<not>!?)\s*(?P<key>[^\s!=(),]+)$")


def by_labels(selector: str) -> Test:
    """Return the test that a label selector is: ``app=bert,version in (1.0, 1.1),!mirror``."""
    tests = [_label_test(term.strip()) for term in re.split(r",(?![^(]*\))", selector) if term.strip()]
    return lambda document: all(test(document.get("metadata", {}).get("labels", {})) for test in tests)


def _label_test(term: str) -> Callable[[Labels], bool]:
    if found := SET_FORM.match(term):
        key, inside = found["key"], found["verb"] == "in"
        values = {value.strip() for value in found["values"].split(",")}
        return lambda labels: (labels.get(key) in values) == inside
    if found := EQUALS_FORM.match(term):
        key, value, equal = found["key"], found["value"], found["verb"] != "!="
        return lambda labels: (labels.get(key) == value) == equal
    if found := EXISTS_FORM.match(term):
        key, wanted = found["key"], not found["not"]
        return lambda labels: (key in labels) == wanted
    message = f"unable to parse requirement: {term!r}"
    raise bad_request(message)


def by_fields(selector: str) -> Test:
    """Return the test that a field selector is: ``metadata.name=bert``.

    The real server knows only some fields of each kind; this one looks at any.
    """
    tests = [_field_test(term.strip()) for term in selector.split(",") if term.strip()]
    return lambda document: all(test(document) for test in tests)


def _field_test(term: str) -> Test:
    found = EQUALS_FORM.match(term)
    if not found:
        message = f"invalid field selector {term!r}"
        raise bad_request(message)
    path, value, equal = found["key"].split("."), found["value"], found["verb"] != "!="
    return lambda document: (str(_at(document, path)) == value) == equal


def _at(document: Any, path: list[str]) -> Any:  # noqa: ANN401 - any JSON
    for name in path:
        document = document.get(name, "") if isinstance(document, dict) else ""
    return document
