"""Who may call whom: tokens, mTLS and the pods' admin operations."""

from collections.abc import Iterator
from typing import Final

from doctor.check import check
from doctor.dig import labels, parts, subset, text, words
from doctor.fixes import merge
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import workloads
from doctor.traffic import ISTIO, service_of

ISTIO_SECURITY: Final = "security.istio.io"
ADMIN: Final = "BERTMESH_ADMIN_BIND"
LOOPBACK: Final = ("127.", "localhost", "[::1]")


@check("BM802", Severity.ERROR)
def mtls_turned_off(inventory: Inventory) -> Iterator[Sighting]:
    """A DestinationRule turns TLS off towards pods that insist on it.

    Under PeerAuthentication STRICT the pods refuse plain connections: every request from the mesh is
    answered with 503 and the flag UF or UC.

    Remove trafficPolicy.tls from the DestinationRule, or set ISTIO_MUTUAL.
    """
    strict = {
        each.namespace
        for each in inventory.of("PeerAuthentication", group=ISTIO_SECURITY)
        if text(each.body, "spec", "mtls", "mode") == "STRICT"
        and not labels(each.body, "spec", "selector", "matchLabels")
    }
    for rule in inventory.of("DestinationRule", group=ISTIO):
        place = service_of(text(rule.body, "spec", "host"), rule.namespace)
        mode = text(rule.body, "spec", "trafficPolicy", "tls", "mode")
        if place and {place[0], inventory.root} & strict and mode in ("DISABLE", "SIMPLE"):
            patch = {"spec": {"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}}}
            yield Sighting(rule, "spec.trafficPolicy.tls.mode", mode, merge(rule, patch))


@check("BM803", Severity.ERROR)
def token_not_required(inventory: Inventory) -> Iterator[Sighting]:
    """Tokens are validated but not required.

    RequestAuthentication refuses bad tokens only: a request without any passes. It takes an
    AuthorizationPolicy to require one.

    Add an AuthorizationPolicy with requestPrincipals over the same workloads.
    """
    for each in inventory.of("RequestAuthentication", group=ISTIO_SECURITY):
        there = [
            policy
            for policy in inventory.of("AuthorizationPolicy", group=ISTIO_SECURITY)
            if policy.namespace in (each.namespace, inventory.root)
            and _covers(policy, each)
            and _asks(policy)
        ]
        if each.parts("spec", "jwtRules") and not there:
            yield Sighting(
                each,
                "spec.jwtRules",
                "no AuthorizationPolicy over the same workloads asks for requestPrincipals",
                "AuthorizationPolicy with action DENY and rules: [{from: [{source: {notRequestPrincipals: "
                '["*"]}}]}], and the same selector',
            )


def _covers(policy: Object, other: Object) -> bool:
    """Tell whether a policy holds for all the workloads of the other."""
    if parts(other.body, "spec", "targetRefs") or parts(policy.body, "spec", "targetRefs"):
        mine, theirs = (parts(each.body, "spec", "targetRefs") for each in (policy, other))
        return not mine or all(each in mine for each in theirs)
    mine_labels, theirs_labels = (
        labels(each.body, "spec", "selector", "matchLabels") for each in (policy, other)
    )
    return subset(mine_labels, theirs_labels)


def _asks(policy: Object) -> bool:
    for rule in policy.parts("spec", "rules"):
        for source in parts(rule, "from"):
            if words(source, "source", "requestPrincipals") or words(
                source, "source", "notRequestPrincipals"
            ):
                return True
        if any(text(each, "key").startswith("request.auth") for each in parts(rule, "when")):
            return True
    return False


@check("BM804", Severity.ERROR)
def admin_open(inventory: Inventory) -> Iterator[Sighting]:
    """Pods take other models from anybody.

    Whoever reaches the admin port (BERTMESH_ADMIN_BIND) may put another model in service. Without an
    AuthorizationPolicy over the pods that is everybody in the cluster.

    An AuthorizationPolicy that lets the controller's principal alone to that port, or a loopback address.
    """
    for workload in workloads(inventory):
        guarded = any(
            subset(labels(policy.body, "spec", "selector", "matchLabels"), workload.labels)
            for policy in inventory.of(
                "AuthorizationPolicy", group=ISTIO_SECURITY, namespace=workload.namespace
            )
        )
        for field, container in workload.containers if not guarded else ():
            for each in parts(container, "env"):
                value = text(each, "value")
                if text(each, "name") == ADMIN and value and not value.startswith(LOOPBACK):
                    yield Sighting(
                        workload.object,
                        f"{field}.env",
                        f"{ADMIN}={value}, and no AuthorizationPolicy over the pods",
                        f"remove {ADMIN}, or let an AuthorizationPolicy allow the port to the controller",
                    )
