"""A healthy mesh as documents that a case may change."""

import copy
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from doctor.examine.run import examine
from doctor.model import Finding, Inventory, Object, Place
from doctor.sources.files import objects
from mesh.local.files import to_yaml

TESTDATA = Path(__file__).parent / "testdata"
Document = dict[str, Any]


@cache
def _documents(name: str) -> tuple[Document, ...]:
    return tuple(yaml.safe_load_all((TESTDATA / name).read_text("utf-8")))


class World:
    """Documents by ``Kind/name``, out of a file of the testdata."""

    def __init__(self, name: str = "healthy.yaml") -> None:
        self.documents = {
            f"{each['kind']}/{each['metadata']['name']}": copy.deepcopy(each) for each in _documents(name)
        }
        self.place = Place.FILES
        self.options: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Document:
        return self.documents[name]

    def spec(self, name: str) -> Document:
        found: Document = self.documents[name]["spec"]
        return found

    def pods(self, name: str) -> Document:
        """Return the pod template's spec."""
        found: Document = self.spec(name)["template"]["spec"]
        return found

    def container(self, name: str) -> Document:
        found: Document = self.pods(name)["containers"][0]
        return found

    def drop(self, *names: str) -> None:
        for name in names:
            del self.documents[name]

    def add(self, text: str, **metadata: Any) -> Document:  # noqa: ANN401 - any JSON
        """Add an object in the namespace of the models."""
        document: Document = yaml.safe_load(text)
        document["metadata"] = {"namespace": "models", **document["metadata"], **metadata}
        self.documents[f"{document['kind']}/{document['metadata']['name']}"] = document
        return document

    def copy(self, name: str, new: str) -> Document:
        """Add the same object again under another name."""
        document = copy.deepcopy(self.documents[name])
        document["metadata"]["name"] = new
        self.documents[f"{document['kind']}/{new}"] = document
        return document

    @property
    def yaml(self) -> str:
        return to_yaml(self.documents.values())

    @property
    def inventory(self) -> Inventory:
        found: tuple[Object, ...] = tuple(objects(self.yaml, "world", "models"))
        if self.place is Place.CLUSTER:
            self.options.setdefault("namespaces", frozenset({"models", "istio-system"}))
        return Inventory(found, self.place, **self.options)

    def findings(self, code: str = "") -> list[Finding]:
        return [each for each in examine(self.inventory) if code in ("", each.code)]


def managed(document: Document, manager: str, fields: Mapping[str, Any], operation: str = "Apply") -> None:
    """Note on a document that somebody wrote these fields, as the API server does."""
    entries = document["metadata"].setdefault("managedFields", [])
    entries.append({"manager": manager, "operation": operation, "fieldsV1": {"f:spec": dict(fields)}})
