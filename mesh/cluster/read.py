"""What a route on a cluster says: the split, and which of its rules are ours."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from mesh.cluster.errors import UnreadableRoute
from mesh.errors import InvalidMesh
from mesh.gateway_api import service_name
from mesh.istio import GRPC_RULE
from mesh.model import Split, Weights, subset_name
from mesh.policy import MAX_PERCENT
from mesh.problem import ASKED_RULE
from mesh.shadow import MILLION, mirror_of

STABLE: Final = "bertmesh.dev/stable"
CANARY: Final = "bertmesh.dev/canary"
"""Annotations on the route: a weight of 0 looks the same on both sides, so the sides are named."""
OUR_RULES: Final = (ASKED_RULE, "pod-only", "unknown-version", "cohort-canary", "cohort-stable", "split")

Document = Mapping[str, Any]


def called(document: Document) -> str:
    """Return how people call the object: ``VirtualService default/bert``."""
    metadata = document["metadata"]
    return f"{document['kind']} {metadata['namespace']}/{metadata['name']}"


def rules(document: Document) -> Sequence[Document]:
    """Return the rules of a VirtualService or an HTTPRoute."""
    found: Sequence[Document] = document.get("spec", {}).get(rules_field(document["kind"])) or ()
    return found


def rules_field(kind: str) -> str:
    """Return the name of the field with the rules."""
    return "http" if kind == "VirtualService" else "rules"


def is_ours(rule: Document, service: str, namespace: str, versions: Sequence[str]) -> bool:
    """Return whether a rule is ours: by its name, or as it leads to the Service or to that of a version."""
    name = rule.get("name", "").removeprefix(GRPC_RULE)
    mine = {service, *(service_name(service, version) for version in versions)}
    return (
        name in OUR_RULES
        or name.startswith("pin-")
        or any(place in ("", namespace) and target in mine for target, place in _targets(rule))
    )


def _targets(rule: Document) -> Iterator[tuple[str, str]]:
    """Yield name and namespace of each Service that a rule leads to; the namespace is empty for its own."""
    for route in rule.get("route", ()):
        name, _, rest = route.get("destination", {}).get("host", "").partition(".")
        yield name, rest.partition(".")[0]
    for backend in rule.get("backendRefs", ()):
        yield backend.get("name", ""), backend.get("namespace", "")


def read_split(document: Document, service: str, versions: Sequence[str]) -> Split:
    """Return the split that a route holds, as it stands there, whoever wrote it.

    Raises:
        UnreadableRoute: there is no rule of that name, or it leads to something that is no version.
    """
    rule = next((rule for rule in rules(document) if rule.get("name") == "split"), None)
    annotations = document["metadata"].get("annotations", {})
    stable, canary = annotations.get(STABLE), annotations.get(CANARY)
    if rule is None or stable is None:
        raise UnreadableRoute(called(document), f"it lacks the rule 'split' or the annotation {STABLE}")
    known = {*versions, stable, *filter(None, [canary])}
    names = {spelling: name for name in known for spelling in _spellings(service, name)}
    shares = _shares(document, rule, names)
    if set(shares) - {stable, canary}:
        raise UnreadableRoute(called(document), f"it splits between {', '.join(sorted(shares))}")
    try:
        weights = Weights(_per_cent(shares, canary))
        return Split(stable, canary, weights, mirror_of(_copied(rule), weights.stable))
    except InvalidMesh as error:
        raise UnreadableRoute(called(document), str(error)) from error


def _spellings(service: str, version: str) -> tuple[str, str]:
    return subset_name(version), service_name(service, version)


def _shares(document: Document, rule: Document, names: Mapping[str, str]) -> dict[str, int]:
    shares: dict[str, int] = {}
    for target in [*rule.get("route", ()), *rule.get("backendRefs", ())]:
        spelling = _spelling(target)
        if spelling not in names:
            raise UnreadableRoute(called(document), f"it leads to {spelling!r}, which is no version")
        version = names[spelling]
        # A single target may go without a weight.
        shares[version] = shares.get(version, 0) + int(target.get("weight", MAX_PERCENT))
    return shares


def _spelling(target: Document) -> str:
    destination = target.get("destination", {})
    found: str = (
        destination.get("subset") or destination.get("host", "").split(".")[0] or target.get("name", "")
    )
    return found


def _per_cent(shares: Mapping[str, int], canary: str | None) -> int:
    whole = sum(shares.values())
    return round(MAX_PERCENT * shares.get(canary or "", 0) / whole) if whole else 0


def _copied(rule: Document) -> int:
    """Return how many of a million requests are copied."""
    if "mirror" in rule:
        return _parts(rule.get("mirrorPercentage", {}).get("value", MAX_PERCENT), MAX_PERCENT)
    mirrors = [each["requestMirror"] for each in rule.get("filters", ()) if each["type"] == "RequestMirror"]
    if not mirrors:
        return 0
    fraction = mirrors[0].get("fraction", {"numerator": mirrors[0].get("percent", MAX_PERCENT)})
    return _parts(fraction["numerator"], fraction.get("denominator", MAX_PERCENT))


def _parts(share: float, whole: float) -> int:
    return round(float(share) * MILLION / float(whole))
