"""The validators themselves: a validator that cannot fail proves nothing."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from tests.chart.harness import OPERATOR_APIS, OWN_API, Document, render
from tests.chart.schemas import wrong

GUARDED = {
    "mesh": {
        "mode": "gatewayAPI",
        "rateLimit": {"enabled": True},
        "jwt": {"enabled": True, "issuer": "https://issuer", "jwksUri": "https://issuer/keys"},
    },
    "modelDefaults": {"autoscaling": {"kind": "keda"}},
}
Edit = Callable[[dict[str, Any]], object]
EDITS: dict[str, Edit] = {
    "ModelRollout": lambda spec: spec.update(canary=spec["stable"]),
    "Deployment": lambda spec: spec.update(replica=3),
    "Service": lambda spec: spec["ports"][0].update(port="80"),
    "NetworkPolicy": lambda spec: spec["egress"][0].update(port=53),
    "StatefulSet": lambda spec: spec["template"]["spec"]["containers"][0].update(env={}),
    "AuthorizationPolicy": lambda spec: spec.update(action="REFUSE"),
    "PeerAuthentication": lambda spec: spec["mtls"].update(mode="strict"),
    "RequestAuthentication": lambda spec: spec["jwtRules"][0].update(jwkUri="x"),
    "Telemetry": lambda spec: spec["tracing"][0].update(randomSamplingPercentage="1"),
    "Sidecar": lambda spec: spec["egress"][0].update(host="./*"),
    "EnvoyFilter": lambda spec: spec["configPatches"][0].update(applyTo="FILTER"),
    "DestinationRule": lambda spec: spec["trafficPolicy"]["outlierDetection"].update(interval="5 s"),
    "Gateway": lambda spec: spec["listeners"][0].update(protocol="http"),
    "PodMonitor": lambda spec: spec["podMetricsEndpoints"][0].update(intervall="15s"),
    "PrometheusRule": lambda spec: spec["groups"][0]["rules"][0].update(severity="high"),
    "ScaledObject": lambda spec: spec.update(minReplicas=1),
}


@pytest.mark.parametrize("kind", EDITS)
def test_a_bad_object_is_refused(kind: str) -> None:
    good: Document = render(GUARDED, apis=(*OPERATOR_APIS, OWN_API)).all(kind)[0]
    assert wrong(good) == []
    bad = copy.deepcopy(good)
    EDITS[kind](bad["spec"])
    assert wrong(bad) != []


def test_a_kind_that_nobody_knows_is_refused() -> None:
    document = {"apiVersion": "example.com/v1", "kind": "Surprise", "metadata": {"name": "x"}, "spec": {}}
    assert wrong(document) == ["there is no schema for ('example.com/v1', 'Surprise')"]
