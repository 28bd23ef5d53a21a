"""The rules of a CRD (``x-kubernetes-validations``), evaluated by CEL's own runtime (cel-expr-python)."""

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cel_expr_python import cel  # type: ignore[import-untyped] # it has types, but no marker
from cel_expr_python.ext import ext_strings  # type: ignore[import-untyped] # the same

from tests.support.kubeapi.schema import ANY, Json, Schema, child, items

ABSENT: Json = object()
# https://kubernetes.io/docs/reference/using-api/cel/#escaping
RESERVED = frozenset(
    {
        "true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if",
        "import", "let", "loop", "package", "namespace", "return", "var", "void", "while",
    }
)  # fmt: skip


def broken_rules(
    schema: Schema, value: Json, old: Json = ABSENT, path: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield the path and the message of each rule that ``value`` breaks; ``old`` is what it replaces."""
    for rule in schema.get("x-kubernetes-validations", ()):
        changes = "oldSelf" in rule["rule"]
        if changes and old is ABSENT:
            continue
        if not holds(rule["rule"], schema, value, old):
            yield (
                path + rule.get("fieldPath", "") or "<nil>",
                f"Invalid value: {_message(rule, schema, value)}",
            )
    yield from _below(schema, value, old, path)


def _below(schema: Schema, value: Json, old: Json, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            before = old.get(key, ABSENT) if isinstance(old, dict) else ABSENT
            here = f"{path}.{key}".removeprefix(".")
            yield from broken_rules(child(schema, key) or ANY, inner, before, here)
    if isinstance(value, list):
        # Items of a list have no past here: only those of map lists do in the real server.
        for i, inner in enumerate(value):
            yield from broken_rules(items(schema), inner, ABSENT, f"{path}[{i}]")


def _message(rule: Mapping[str, str], schema: Schema, value: Json) -> str:
    if "messageExpression" in rule:
        return str(evaluate(rule["messageExpression"], schema, value))
    return rule.get("message", f"failed rule: {rule['rule']}")


def holds(expression: str, schema: Schema, value: Json, old: Json = ABSENT) -> bool:
    """Return whether a rule holds; one that fails on the way does not, as in the real server."""
    return evaluate(expression, schema, value, old) is True


def evaluate(expression: str, schema: Schema, value: Json, old: Json = ABSENT) -> Json:
    """Return the value of an expression about ``value``, or the error of its evaluation."""
    data = {"self": as_cel(schema, value), "oldSelf": None if old is ABSENT else as_cel(schema, old)}
    return program(expression).eval(data=data).plain_value()


def as_cel(schema: Schema, value: Json) -> Json:
    """Return ``value`` in the types that the schema gives it: 1 is a double where numbers are asked for."""
    if isinstance(value, dict):
        named = "properties" in schema
        return {
            escape(key) if named else key: as_cel(child(schema, key) or ANY, inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [as_cel(items(schema), item) for item in value]
    return float(value) if schema.get("type") == "number" else value


def escape(name: str) -> str:
    """Return a field's name as rules spell it."""
    if name in RESERVED:
        return f"__{name}__"
    for sign, word in (("__", "underscores"), (".", "dot"), ("-", "dash"), ("/", "slash")):
        name = name.replace(sign, f"__{word}__")
    return name


@functools.cache
def program(expression: str) -> Json:
    """Compile an expression; an error in it is raised."""
    return _environment().compile(expression)


@functools.cache
def _environment() -> Json:
    return cel.NewEnv(
        variables={"self": cel.Type.DYN, "oldSelf": cel.Type.DYN},
        extensions=[ext_strings.ExtStrings()],
        functions=list_library(),
    )


def list_library() -> list[Json]:
    """Return Kubernetes' own functions on lists, as far as they are here."""
    anything, numbers = cel.Type.DYN, cel.Type.List(cel.Type.DYN)
    return [
        _function("isSorted", cel.Type.BOOL, numbers, lambda values: list(values) == sorted(values)),
        _function("sum", anything, numbers, math.fsum),
        _function("min", anything, numbers, min),
        _function("max", anything, numbers, max),
    ]


def _function(name: str, returns: Json, receiver: Json, do: Json) -> Json:
    """Declare a method of Kubernetes' list library."""
    overload = cel.Overload(
        id=f"list_{name}", return_type=returns, parameters=[receiver], is_member=True, impl=do
    )
    return cel.FunctionDecl(name, [overload])


def expressions(schema: Schema) -> Iterator[str]:
    """Yield every expression in a schema."""
    for rule in schema.get("x-kubernetes-validations", ()):
        yield rule["rule"]
    parts: Sequence[Any] = [
        *schema.get("properties", {}).values(),
        schema.get("items"),
        schema.get("additionalProperties"),
    ]
    for part in parts:
        if isinstance(part, Mapping):
            yield from expressions(part)
