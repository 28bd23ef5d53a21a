"""Our CustomResourceDefinition on the real API server: it is taken, and does as it says."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from canary.resource import crd
from canary.resource.spec import ModelRollout
from tests.canary.resource.refusals import BAD, FIXED
from tests.chart.harness import SCENARIOS, render, scenario
from tests.cluster.control_plane import CommandFailed, ControlPlane
from tests.support.kubeapi.known import ROOT
from tests.support.kubeapi.samples import rollout

Document = dict[str, Any]

NAME: Final = crd.definition()["metadata"]["name"]
EXAMPLE: Final = ROOT / "docs" / "reference" / "modelrollout.example.yaml"
# An indented block of a page, up to the next empty line.
BLOCK: Final = re.compile(r"^    apiVersion: bertmesh\.dev/.*\n(?:    .*\n)+", re.MULTILINE)


# What people are shown, and values of the chart.
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES: Final = [EXAMPLE, *(page for page in PAGES if BLOCK.search(page.read_text("utf-8"))), *SCENARIOS]


def rollouts(source: Path) -> list[Document]:
    """Return the ModelRollouts that a file shows, or that the chart renders with its values."""
    if source in SCENARIOS:
        return render(scenario(source)).all("ModelRollout")
    text = source.read_text(encoding="utf-8")
    return [yaml.safe_load(each) for each in (BLOCK.findall(text) if source in PAGES else [text])]


@pytest.fixture(scope="module", autouse=True)
def _definition(control_plane: ControlPlane) -> Iterator[None]:
    control_plane.apply(crd.definition())
    control_plane.kubectl("wait", "--for=condition=Established", "crd", NAME, "--timeout=60s")
    yield
    control_plane.kubectl("delete", "crd", NAME)


def created(plane: ControlPlane, namespace: str, document: Document) -> Document:
    """Create a ModelRollout in ``namespace``, strictly; return what the API server has stored."""
    metadata = {"name": document["metadata"]["name"], "namespace": namespace}
    plane.apply({**document, "metadata": metadata})
    return plane.get(NAME, metadata["name"], namespace)


def test_the_api_server_finds_nothing_wrong_with_the_definition(control_plane: ControlPlane) -> None:
    found = control_plane.get("crd", NAME, "")
    conditions = {each["type"]: each["status"] for each in found["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"


@pytest.mark.parametrize("source", SOURCES, ids=[source.name for source in SOURCES])
def test_what_is_documented_is_accepted_and_means_what_python_reads(
    source: Path, control_plane: ControlPlane, namespace: str
) -> None:
    documents = rollouts(source)
    assert documents
    for document in documents:
        stored = created(control_plane, namespace, document)
        assert ModelRollout.read(stored).spec == ModelRollout.read(document).spec


@pytest.mark.parametrize("what", BAD)
def test_what_is_wrong_is_refused_with_our_sentence(
    what: str, control_plane: ControlPlane, namespace: str
) -> None:
    spec, words = BAD[what]
    with pytest.raises(CommandFailed) as refused:
        created(control_plane, namespace, rollout(**spec))
    assert words in refused.value.said


@pytest.mark.parametrize(("change", "words"), FIXED)
def test_what_cannot_be_changed_is_refused_with_our_sentence(
    change: Document, words: str, control_plane: ControlPlane, namespace: str
) -> None:
    created(control_plane, namespace, rollout())
    with pytest.raises(CommandFailed) as refused:
        created(control_plane, namespace, rollout(**change))
    assert words in refused.value.said


def test_an_unknown_field_is_refused_by_name(control_plane: ControlPlane, namespace: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        created(control_plane, namespace, rollout(policy={"profil": "fast"}))
    assert "profil" in refused.value.said


def test_kubectl_shows_the_printer_columns(control_plane: ControlPlane, namespace: str) -> None:
    created(control_plane, namespace, rollout())
    status = {"phase": "Progressing", "stable": "1.0", "canary": "1.1", "weightProved": 20}
    document = {**rollout(), "metadata": {"name": "bert", "namespace": namespace}, "status": status}
    control_plane.apply_status(document)
    header, row = control_plane.kubectl("get", "mr", "--namespace", namespace).splitlines()
    assert header.split() == ["NAME", "PHASE", "STABLE", "CANARY", "WEIGHT", "STEP", "VERDICT", "AGE"]
    assert row.split()[:5] == ["bert", "Progressing", "1.0", "1.1", "20"]
