"""The form in which ``kubectl get`` asks for objects: a table with a CRD's printer columns."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from tests.support.kubeapi.kinds import Kind

Document = dict[str, Any]
NAME = {"name": "Name", "type": "string", "format": "name", "jsonPath": ".metadata.name"}
AGE = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def wanted(accept: str) -> bool:
    """Return whether the client prefers a table."""
    return "as=Table" in accept.split(",", maxsplit=1)[0]


def table(kind: Kind, documents: Sequence[Document], revision: str) -> Document:
    """Return ``documents`` as a table."""
    columns = [NAME, *(kind.columns or (AGE,))]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": revision},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            {
                "cells": [_cell(document, column) for column in columns],
                "object": {
                    "kind": "PartialObjectMetadata",
                    "apiVersion": "meta.k8s.io/v1",
                    "metadata": document["metadata"],
                },
            }
            for document in documents
        ],
    }


def _definition(column: Mapping[str, Any]) -> Document:
    told = {"format": "", "description": "", "priority": 0, **column}
    return {key: value for key, value in told.items() if key != "jsonPath"}


def _cell(document: Any, column: Mapping[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    for name in column["jsonPath"].removeprefix(".").split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return _age(document) if column["type"] == "date" and document else document


def _age(time: str) -> str:
    return f"{(datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds():.0f}s"
