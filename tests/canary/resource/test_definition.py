"""The CRD: current, valid, structural, explained, and with rules that do what they say."""

from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped] # it ships no types
import pytest
from pydantic import BaseModel

from canary.resource import crd
from canary.resource.schema import NotStructural, structural_schema
from tests.canary.resource.typed_rules import type_error
from tests.support.kubeapi import cel
from tests.support.kubeapi.cel import broken_rules
from tests.support.kubeapi.schema import problems

Schema = Mapping[str, Any]
# https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#validation
FORBIDDEN = {
    "$ref", "$defs", "definitions", "dependencies", "deprecated", "discriminator", "id", "patternProperties",
    "readOnly", "writeOnly", "xml", "uniqueItems", "const", "prefixItems", "title", "examples",
    "exclusiveMinimum", "exclusiveMaximum", "anyOf", "oneOf", "allOf", "not",
}  # fmt: skip
LONGEST_MESSAGE = 2048


def fields(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Yield every schema below ``schema`` with its path."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from fields(inner, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


ALL = dict(fields(crd.resource_schema()))
OURS = {path: schema for path, schema in ALL.items() if path.startswith((".spec", ".status"))}
RULES = [(path, rule) for path, schema in OURS.items() for rule in schema.get("x-kubernetes-validations", ())]


def test_kubernetes_own_schema_accepts_the_definition() -> None:
    kubernetes_validate.validate(crd.definition(), "1.37.0", strict=True)


def unstructural(schema: Schema) -> dict[str, object]:
    """Return what the API server would not take in a schema."""
    kind = schema.get("type")
    faults = {
        "forbidden": FORBIDDEN & schema.keys(),
        "no type": not isinstance(kind, str),
        "additionalProperties": "additionalProperties" in schema,
        "items of no array, or an array without": ("items" in schema) != (kind == "array"),
        "required and unknown": set(schema.get("required", ())) - set(schema.get("properties", {})),
    }
    return {name: seen for name, seen in faults.items() if seen}


def test_every_schema_is_structural() -> None:
    assert {path: found for path, schema in ALL.items() if (found := unstructural(schema))} == {}


@pytest.mark.parametrize("path", [path for path, schema in ALL.items() if "default" in schema])
def test_a_default_keeps_the_rules_before_those_below_it_are_filled_in(path: str) -> None:
    """The API server asks so when the definition is created, also the rules about a change."""
    default = ALL[path]["default"]
    assert list(problems(ALL[path], default)) == []
    assert list(broken_rules(ALL[path], default, default)) == []


def test_unknown_fields_are_kept_in_the_judges_memory_alone() -> None:
    opened = [path for path, schema in ALL.items() if schema.get("x-kubernetes-preserve-unknown-fields")]
    assert opened == [".status.judge"]


def test_lists_that_merge_by_key_have_required_keys() -> None:
    for schema in ALL.values():
        if schema.get("x-kubernetes-list-type") == "map":
            inner = schema["items"]
            for key in schema["x-kubernetes-list-map-keys"]:
                assert key in inner["required"] or "default" in inner["properties"][key]


def test_every_list_says_how_it_is_merged() -> None:
    lists = [schema for schema in ALL.values() if schema["type"] == "array"]
    assert all(schema["x-kubernetes-list-type"] in ("atomic", "set", "map") for schema in lists)


def test_every_field_is_explained() -> None:
    explained = {path: schema.get("description", "").endswith(".") for path, schema in OURS.items()}
    assert [path for path, done in explained.items() if not done and not path.endswith("[]")] == []


def test_everything_that_grows_is_bounded() -> None:
    """The API server counts what a rule may cost at most, from these bounds."""
    bounds = {"array": {"maxItems"}, "string": {"maxLength", "enum", "format"}}
    growing = {path: schema for path, schema in OURS.items() if schema["type"] in bounds}
    assert [path for path, schema in growing.items() if not bounds[schema["type"]] & schema.keys()] == []


@pytest.mark.parametrize(("path", "rule"), RULES, ids=[rule["message"][:40] for _, rule in RULES])
def test_a_rule_compiles_names_a_field_and_says_what_to_do(path: str, rule: dict[str, str]) -> None:
    assert cel.program(rule["rule"])
    assert path + rule["fieldPath"] in OURS
    assert len(rule["message"]) <= LONGEST_MESSAGE
    assert any(sign in rule["message"] for sign in (":", ",")), "first what is wrong, then what to do"


@pytest.mark.parametrize(("path", "rule"), RULES, ids=[rule["message"][:40] for _, rule in RULES])
def test_a_rule_fits_the_types_of_its_fields(path: str, rule: dict[str, str]) -> None:
    assert type_error(OURS[path], rule["rule"]) is None


@pytest.mark.parametrize("rule", ["self.wieght > 1", "self.stable > 1", "self.policy.steps.weight == 1"])
def test_a_rule_that_does_not_fit_is_found(rule: str) -> None:
    assert type_error(OURS[".spec"], rule) is not None


def test_every_printer_column_shows_a_field_that_is_there() -> None:
    [version] = crd.definition()["spec"]["versions"]
    for column in version["additionalPrinterColumns"]:
        assert column["jsonPath"] in ALL or column["jsonPath"] == ".metadata.creationTimestamp"


def test_a_field_of_two_types_cannot_be_described() -> None:
    class Loose(BaseModel):
        value: int | str

    with pytest.raises(NotStructural, match="one type"):
        structural_schema(Loose)
