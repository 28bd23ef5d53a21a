"""What happens to a document before it is stored: pruning, defaults, validation."""

from collections.abc import Mapping
from typing import Any

from tests.support.kubeapi import cel
from tests.support.kubeapi.clone import clone
from tests.support.kubeapi.problem import ApiError, invalid
from tests.support.kubeapi.schema import fill_defaults, problems, prune
from tests.support.kubeapi.target import Options, Target

Object = dict[str, Any]
METADATA = frozenset(
    {
        "name", "namespace", "generateName", "labels", "annotations", "finalizers", "ownerReferences",
        "uid", "resourceVersion", "generation", "creationTimestamp", "deletionTimestamp",
        "deletionGracePeriodSeconds", "managedFields", "selfLink",
    }
)  # fmt: skip


def admit(target: Target, body: Object, options: Options, *, partial: bool = False) -> Object:
    """Return ``body`` as it would be stored; a ``partial`` one, to be applied, gets no defaults.

    Raises:
        ApiError: 400, for unknown fields where the caller asked for strictness.
    """
    _need_type(target, body)
    schema = target.kind.schemas[target.version]
    content = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    cleaned, unknown = prune(schema, content)
    metadata, unknown_metadata = _clean_metadata(body.get("metadata") or {})
    _report([*unknown, *unknown_metadata], options)
    filled = cleaned if partial else builtin_defaults(target.kind.name, fill_defaults(schema, cleaned))
    head = {"apiVersion": target.api_version, "kind": target.kind.name, "metadata": metadata}
    return clone({**head, **filled})


def _need_type(target: Target, body: Object) -> None:
    seen = (body.get("apiVersion", target.api_version), body.get("kind", target.kind.name))
    if seen != (target.api_version, target.kind.name):
        expected = f"{target.api_version}, {target.kind.name}"
        message = f"the API version in the data ({', '.join(seen)}) does not match the expected ({expected})"
        raise ApiError(400, "BadRequest", message)


def _clean_metadata(metadata: Mapping[str, Any]) -> tuple[Object, list[str]]:
    kept = {key: value for key, value in metadata.items() if key in METADATA and value not in (None, {}, [])}
    for name in ("labels", "annotations"):
        for key, value in kept.get(name, {}).items():
            if not isinstance(value, str):
                message = f"{name}.{key}: cannot unmarshal {value!r} into Go struct field of type string"
                raise ApiError(400, "BadRequest", message)
    return kept, [f"metadata.{key}" for key in metadata if key not in METADATA]


def _report(unknown: list[str], options: Options) -> None:
    told = [f'unknown field "{path}"' for path in unknown]
    if told and options.validation == "Strict":
        message = f"strict decoding error: {', '.join(told)}"
        raise ApiError(400, "BadRequest", message)
    if options.validation == "Warn":
        options.warnings.extend(told)


def check(target: Target, document: Object, old: Object | None = None) -> None:
    """Check a whole document.

    Raises:
        ApiError: 422, with every field at fault.
    """
    schema = target.kind.schemas[target.version]
    content = {key: value for key, value in document.items() if key not in ("apiVersion", "kind", "metadata")}
    # The built-in kinds' required fields are those of the published schema: near enough for a controller.
    found = list(problems(schema, {**content, "metadata": {}}))
    if not found:
        before = cel.ABSENT if old is None else {key: old[key] for key in old if key in content}
        found = list(cel.broken_rules(schema, content, before))
    if found:
        raise invalid(
            f"{target.kind.name}.{target.kind.group}".rstrip("."), document["metadata"]["name"], found
        )


def admit_definition(definition: Object) -> Object:
    """Return a CustomResourceDefinition with the conditions that say that it is served.

    Raises:
        ApiError: 422, when its rules do not compile.
    """
    for version in definition["spec"]["versions"]:
        for expression in cel.expressions(version["schema"]["openAPIV3Schema"]):
            _compile(definition["metadata"]["name"], expression)
    conditions = [
        {
            "type": name,
            "status": "True",
            "reason": name,
            "message": "",
            "lastTransitionTime": definition["metadata"]["creationTimestamp"],
        }
        for name in ("NamesAccepted", "Established")
    ]
    names = definition["spec"]["names"]
    return {**definition, "status": {"conditions": conditions, "acceptedNames": names, "storedVersions": []}}


def _compile(name: str, expression: str) -> None:
    try:
        cel.program(expression)
    except RuntimeError as error:
        if "isIP" in expression or "url(" in expression:
            # Kubernetes' own libraries for addresses are not here; evaluating such a rule fails loudly.
            return
        kind = "CustomResourceDefinition.apiextensions.k8s.io"
        raise invalid(kind, name, [("rule", str(error))]) from error


def builtin_defaults(kind: str, document: Object) -> Object:
    """Fill in what the real server would, of that which a controller reads."""
    match kind:
        case "Deployment":
            document.setdefault("spec", {}).setdefault("replicas", 1)
        case "Service":
            spec = document.setdefault("spec", {})
            spec.setdefault("type", "ClusterIP")
            for port in spec.get("ports", ()):
                port.setdefault("protocol", "TCP")
                port.setdefault("targetPort", port["port"])
        case "Namespace":
            document.setdefault("status", {"phase": "Active"})
    return document
