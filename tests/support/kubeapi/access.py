"""Who may do what: Roles, as the authoriser reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubeapi.target import Target


@dataclass(frozen=True)
class Access:
    """What the bearers of tokens may do. Without a token everything is allowed, as to a cluster's admin.

    ``roles`` maps a token to Role and ClusterRole documents; a Role counts in its own namespace.
    """

    roles: dict[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)

    def allows(self, token: str, verb: str, target: Target) -> bool:
        if token not in self.roles:
            return not token
        return any(
            _matches(rule, verb, target)
            for role in self.roles[token]
            if role["kind"] == "ClusterRole" or role["metadata"].get("namespace") == target.namespace
            for rule in role.get("rules", ())
        )


def _matches(rule: Mapping[str, Any], verb: str, target: Target) -> bool:
    resource = "/".join(filter(None, (target.kind.plural, target.subresource)))
    names = rule.get("resourceNames", ())
    return (
        _listed(rule["apiGroups"], target.kind.group)
        and _listed(rule["resources"], resource)
        and _listed(rule["verbs"], verb)
        and (not names or target.name in names)
    )


def _listed(words: Sequence[str], word: str) -> bool:
    return "*" in words or word in words
