"""Values that cannot work are refused, in a sentence that names them."""

from typing import Any

import pytest

from tests.chart.harness import render

BAKED = {"baked": "zh-small:1.0"}
SHA = "0" * 64


def models(*sources: dict[str, Any], **more: Any) -> dict[str, Any]:  # noqa: ANN401 - any value
    return {
        "models": [{"version": f"1.{number}", "source": each, **more} for number, each in enumerate(sources)]
    }


CASES: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "no source": ({"models": [{"version": "1.0"}]}, ("/models/0", "missing property 'source'")),
    "an empty source": (models({}), ("/models/0/source",)),
    "two sources": (
        models({**BAKED, "uri": "hf://a/b", "sha256": SHA}),
        ("1.0", "baked and uri", "exactly one"),
    ),
    "a source of another kind": (models({"ftp": "x"}), ("/models/0/source", "'ftp' not allowed")),
    "a URI of another kind": (models({"uri": "ftp://x/y", "sha256": SHA}), ("ftp://x/y", "does not match")),
    "a URI without a checksum": (
        models({"uri": "hf://a/b"}),
        ("hf://a/b", "source.sha256", "modelstore fetch"),
    ),
    "a checksum without a URI": (models({**BAKED, "sha256": SHA}), ("belong to source.uri",)),
    "no models": ({"models": []}, ("/models",)),
    "two versions of one name": (
        {"models": [{"version": "1.0", "source": BAKED}, {"version": "1.0", "source": BAKED}]},
        ('"1.0"', "twice"),
    ),
    "two versions of one DNS label": (
        {"models": [{"version": "1.0", "source": BAKED}, {"version": "1-0", "source": BAKED}]},
        ('"1.0"', '"1-0"', "bert-v1-0"),
    ),
    "a version that is a number": (
        {"models": [{"version": 1.0, "source": BAKED}]},
        ("/models/0/version", "got number, want string"),
    ),
    "a version in capitals": (
        {"models": [{"version": "V1", "source": BAKED}]},
        ("'V1'", "/models/0/version"),
    ),
    "a weight in a model": (models(BAKED, weight=10), ("/models/0", "'weight' not allowed")),
    "a weight in the rollout": ({"rollout": {"weight": 10}}, ("/rollout", "'weight' not allowed")),
    "a weight in the mesh": ({"mesh": {"weights": {"1.0": 90}}}, ("/mesh", "'weights' not allowed")),
    "an unknown key": ({"replicaCount": 3}, ("'replicaCount' not allowed",)),
    "an unknown key deep inside": ({"mesh": {"jwt": {"isuer": "x"}}}, ("/mesh/jwt", "'isuer' not allowed")),
    "an unknown mode": ({"mesh": {"mode": "linkerd"}}, ("/mesh/mode", "'sidecar', 'gatewayAPI', 'ambient'")),
    "an unknown engine": (models(BAKED, engine="onnx"), ("/models/0/engine", "'int8'")),
    "an unknown stable": ({"rollout": {"stable": "9.9"}}, ("rollout.stable", '"9.9"', "1.0")),
    "an unknown canary": ({"rollout": {"canary": "9.9"}}, ("rollout.canary", '"9.9"', "1.0")),
    "a canary that is the stable": ({"rollout": {"canary": "1.0"}}, ("both", '"1.0"')),
    "replicas against the autoscaler": (models(BAKED, replicas=3), ("replicas is 3", "autoscaler's")),
    "replicas against the controller": (
        models(BAKED, replicas=3, autoscaling={"enabled": False}),
        ("replicas is 3", "controller's"),
    ),
    "min above max": (models(BAKED, autoscaling={"min": 9}), ("autoscaling.min 9", "autoscaling.max 6")),
    "an autoscaler without a target": (models(BAKED, autoscaling={"cpu": 0}), ("looks at nothing",)),
    "a percentage of nothing": (
        models(BAKED, resources={"requests": {"cpu": None}}),
        ("autoscaling.cpu 70", "resources.requests.cpu"),
    ),
    "a variable that is the chart's": (
        models(BAKED, extraEnv=[{"name": "BERTMESH_MODEL", "value": "x"}]),
        ("BERTMESH_MODEL", "remove it"),
    ),
    "a fault on a cluster": (
        models(BAKED, extraEnv=[{"name": "BERTMESH_FAULT", "value": "error=1"}]),
        ("BERTMESH_FAULT", "local mesh"),
    ),
    "every host": ({"mesh": {"hosts": ["*"]}}, ("mesh.hosts", "*.example.org")),
    "a gateway from nowhere": (
        {"mesh": {"gateway": {"namespaces": []}}},
        ("both empty", "name where it runs"),
    ),
    "no gateway": ({"mesh": {"gateway": {"create": False}}}, ("mesh.gateway.create is false", "existing")),
    "two gateways": ({"mesh": {"gateway": {"existing": "a/b"}}}, ("mesh.gateway.create is true", '"a/b"')),
    "a golden set that cannot be asked": (
        {
            "rollout": {"gates": {"golden": {"configMap": "bert-golden"}}},
            "mesh": {"mode": "gatewayAPI", "gateway": {"create": False, "existing": "public"}},
        },
        ("rollout.gates.golden", "controller.gatewayUrl"),
    ),
    "tokens of nobody": ({"mesh": {"jwt": {"enabled": True}}}, ("mesh.jwt.issuer is empty",)),
    "tokens without keys": ({"mesh": {"jwt": {"enabled": True, "issuer": "x"}}}, ("jwksUri or jwks",)),
    "a rate limit that is not obeyed": (
        {"mesh": {"mode": "ambient", "rateLimit": {"enabled": True}}},
        ("mesh.rateLimit.enabled", "ambient"),
    ),
    "a Redis that is nowhere": ({"redis": {"mode": "external"}}, ("redis.external",)),
    "a name that is no DNS label": ({"fullnameOverride": "Bert"}, ("fullnameOverride", '"Bert"')),
    "a sampling of more than all": (
        {"mesh": {"telemetry": {"samplingPercent": 101}}},
        ("/mesh/telemetry/samplingPercent", "101"),
    ),
    "a digest that is none": ({"image": {"digest": "latest"}}, ("/image/digest", "'latest'")),
}


@pytest.mark.parametrize("case", CASES)
def test_it_is_refused_in_a_sentence_that_names_it(case: str) -> None:
    values, words = CASES[case]
    refusal = render(values).refusal
    assert refusal != ""
    assert [word for word in words if word not in refusal] == [], refusal


CLUSTER, ISTIO, GATEWAYS = (
    "apiregistration.k8s.io/v1",
    "networking.istio.io/v1",
    "gateway.networking.k8s.io/v1",
)


@pytest.mark.parametrize(
    ("values", "apis", "words"),
    [
        (
            {},
            (CLUSTER,),
            "the cluster does not have Istio 1.24 or newer (no networking.istio.io/v1): install",
        ),
        ({"mesh": {"mode": "ambient"}}, (CLUSTER, ISTIO), "the Gateway API, which mesh.mode ambient needs"),
        (
            models(BAKED, autoscaling={"kind": "keda"}),
            (CLUSTER, ISTIO),
            "KEDA, which version 1.0 is scaled by",
        ),
        (
            {"monitoring": {"rules": {"enabled": True}}},
            (CLUSTER, ISTIO),
            "the Prometheus Operator, which monitoring.rules asks for",
        ),
    ],
)
def test_what_a_cluster_lacks_is_said_in_one_sentence(
    values: dict[str, Any], apis: tuple[str, ...], words: str
) -> None:
    said, *_ = render(values, apis=apis).refusal.partition("\n\nUse --debug")
    assert words in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("values", "apis"),
    [({}, (CLUSTER, ISTIO)), ({"mesh": {"mode": "gatewayAPI"}}, (CLUSTER, ISTIO, GATEWAYS)), ({}, ())],
)
def test_a_cluster_with_all_that_is_needed_and_no_cluster_at_all_are_enough(
    values: dict[str, Any], apis: tuple[str, ...]
) -> None:
    assert render(values, apis=apis).refusal == ""


def test_what_kubernetes_takes_is_taken() -> None:
    values = {
        "podSecurityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "bert.json"}},
        "global": {"somebodyElses": {"key": 1}},
        "modelDefaults": {
            "affinity": {
                "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}
            },
            "tolerations": [{"operator": "Exists"}],
        },
    }
    assert render(values).refusal == ""


def test_a_release_whose_name_is_no_dns_label_is_told_so() -> None:
    assert "a letter" in render(release="9lives").refusal
