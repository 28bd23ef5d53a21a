from collections.abc import Iterator

import pytest

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.builtin import published
from tests.support.kubeapi.kinds import Kind
from tests.support.kubeapi.known import mesh_api, open_definition

BUILTIN = (
    ("apps", "v1", "statefulsets", "StatefulSet"),
    ("policy", "v1", "poddisruptionbudgets", "PodDisruptionBudget"),
)
CUSTOM = (
    ("telemetry.istio.io", "v1", "telemetries", "Telemetry"),
    ("networking.istio.io", "v1", "gateways", "Gateway"),
    ("security.istio.io", "v1", "peerauthentications", "PeerAuthentication"),
    ("security.istio.io", "v1", "requestauthentications", "RequestAuthentication"),
    ("security.istio.io", "v1", "authorizationpolicies", "AuthorizationPolicy"),
    ("monitoring.coreos.com", "v1", "podmonitors", "PodMonitor"),
)


@pytest.fixture
def api() -> Iterator[KubeApi]:
    """A server with most of the kinds that the doctor lists; KEDA's are missing."""
    with mesh_api(namespaces=["models", "istio-system"]) as server:
        for group, version, plural, name in BUILTIN:
            schema = published(f"io.k8s.api.{group}.{version}.{name}")
            server.registry.add(Kind(group, plural, name, {version: schema}))
        for kind in CUSTOM:
            server.create(open_definition(*kind))
        yield server
