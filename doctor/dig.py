"""Reads out of documents that may hold anything: what is absent or of another type counts as empty."""

from collections.abc import Mapping, Sequence
from typing import Any

Document = Mapping[str, Any]


def dig(value: Any, *path: str) -> Any:  # noqa: ANN401 - any JSON
    """Return what lies at ``path``, or None."""
    for key in path:
        if not isinstance(value, Mapping):
            return None
        value = value.get(key)
    return value


def mapping(value: Any, *path: str) -> Document:  # noqa: ANN401 - any JSON
    """Return the mapping at ``path``."""
    found = dig(value, *path)
    return found if isinstance(found, Mapping) else {}


def parts(value: Any, *path: str) -> list[Document]:  # noqa: ANN401 - any JSON
    """Return the list at ``path``; entries that are no mappings count as empty ones, so that places hold."""
    found = dig(value, *path)
    return [each if isinstance(each, Mapping) else {} for each in found] if isinstance(found, list) else []


def words(value: Any, *path: str) -> list[str]:  # noqa: ANN401 - any JSON
    """Return the texts in the list at ``path``."""
    found = dig(value, *path)
    return [each for each in found if isinstance(each, str)] if isinstance(found, list) else []


def text(value: Any, *path: str) -> str:  # noqa: ANN401 - any JSON
    """Return the text at ``path``; a number is one, too."""
    found = dig(value, *path)
    return str(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else ""


def whole(value: Any, *path: str) -> int | None:  # noqa: ANN401 - any JSON
    """Return the whole number at ``path``, or None."""
    found = dig(value, *path)
    return found if isinstance(found, int) and not isinstance(found, bool) else None


def labels(value: Any, *path: str) -> dict[str, str]:  # noqa: ANN401 - any JSON
    """Return the mapping of texts at ``path``."""
    return {str(key): str(each) for key, each in mapping(value, *path).items() if each is not None}


def matches(selector: Document, owned: Mapping[str, str]) -> bool:
    """Tell whether a label selector (``matchLabels``, ``matchExpressions``) takes these labels.

    An empty selector takes all, as in Kubernetes.
    """
    return subset(labels(selector, "matchLabels"), owned) and all(
        _expression(each, owned) for each in parts(selector, "matchExpressions")
    )


def subset(wanted: Mapping[str, str], owned: Mapping[str, str]) -> bool:
    """Tell whether all ``wanted`` labels are ``owned``."""
    return all(owned.get(key) == value for key, value in wanted.items())


def _expression(expression: Document, owned: Mapping[str, str]) -> bool:
    key, values = text(expression, "key"), words(expression, "values")
    match text(expression, "operator"):
        case "In":
            return owned.get(key) in values
        case "NotIn":
            return owned.get(key) not in values
        case "Exists":
            return key in owned
        case "DoesNotExist":
            return key not in owned
        case _:
            return False


def shown(pairs: Mapping[str, str]) -> str:
    """Return labels as people write them: ``app=bert,version=1.0``."""
    return ",".join(f"{key}={value}" for key, value in pairs.items()) or "(none)"


def listed(names: Sequence[str], limit: int = 5) -> str:
    """Return a few names with commas, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more if names else "none"
