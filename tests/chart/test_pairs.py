"""What the mesh gets: by pairs of values and output, and by what must hold for any values."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mesh.model import subset_name
from tests.chart.harness import OPERATOR_APIS, pods, render
from tests.chart.schemas import wrong
from tests.chart.test_objects import identity, matches, selectors

VERSIONS = st.from_regex(r"[a-z0-9]{1,4}([.-][a-z0-9]{1,4}){0,2}", fullmatch=True)
SHA = "0" * 64
# Texts that YAML would take for something else.
WORDS = st.sampled_from(["a", "1", "true", "no", "1e3"])
SOURCES = st.sampled_from(
    [
        {"baked": "zh-small:1.0"},
        {"pvc": {"claimName": "models", "model": "zh-small:1.0"}},
        {"ociImage": {"reference": "registry/models:1", "model": "zh/1.0"}},
        {"uri": "hf://a/b@main", "sha256": SHA},
        {"uri": "s3://a/b", "sha256": SHA, "base": {"uri": "s3://a/c", "sha256": SHA}},
    ]
)
SCALING = st.fixed_dictionaries(
    {"enabled": st.booleans(), "kind": st.sampled_from(["hpa", "keda"]), "cpu": st.sampled_from([1, 70])},
    optional={"inFlight": st.integers(0, 50), "min": st.integers(1, 6)},
)
MODEL = st.fixed_dictionaries(
    {"source": SOURCES},
    optional={
        "engine": st.sampled_from(["auto", "openvino", "torch", "int8"]),
        "threads": st.integers(1, 64),
        "autoscaling": SCALING,
        "gpu": st.fixed_dictionaries({"count": st.integers(0, 4)}),
        "drain": st.fixed_dictionaries({"preStopSeconds": st.integers(0, 60), "seconds": st.integers(0, 60)}),
        "podLabels": st.dictionaries(
            st.sampled_from(["team", "example.com/tier"]), st.sampled_from(["a", "1", "true"])
        ),
        "nodeSelector": st.fixed_dictionaries({"gpu": WORDS}),
    },
)


@st.composite
def values(draw: st.DrawFn) -> dict[str, Any]:
    """Draw values that the chart must take."""
    names = draw(st.lists(VERSIONS, min_size=1, max_size=3, unique_by=subset_name))
    mode = draw(st.sampled_from(["sidecar", "gatewayAPI", "ambient"]))
    tokens = {"enabled": True, "issuer": "https://issuer", "jwksUri": "https://issuer/keys"}
    mesh = {
        "mode": mode,
        "jwt": draw(st.sampled_from([{}, tokens])),
        "authorization": {"enabled": draw(st.booleans())},
        "rateLimit": {"enabled": mode != "ambient" and draw(st.booleans())},
        "mtls": {"mode": draw(st.sampled_from(["STRICT", "PERMISSIVE", "none"]))},
        "telemetry": {"samplingPercent": draw(st.sampled_from([0, 0.5, 100]))},
        "warmup": draw(st.sampled_from(["", "30s", "1m"])),
    }
    return {
        "models": [{**draw(MODEL), "version": name} for name in names],
        "rollout": {"canary": names[1] if len(names) > 1 else "", "suspend": draw(st.booleans())},
        "mesh": mesh,
        "redis": {
            "mode": draw(st.sampled_from(["bundled", "none"])),
            "persistence": {"enabled": draw(st.booleans())},
        },
        "console": {
            "enabled": draw(st.booleans()),
            "hosts": draw(st.sampled_from([[], ["console.example.com"]])),
        },
        "networkPolicy": {"enabled": draw(st.booleans())},
        "training": {"enabled": draw(st.booleans())},
        "service": {"grpc": draw(st.booleans()), "port": draw(st.integers(1, 65535))},
    }


@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(values())
def test_any_good_values_render_good_objects(drawn: dict[str, Any]) -> None:
    found = render(drawn, apis=OPERATOR_APIS)
    assert found.refusal == ""
    assert {identity(each): problems for each in found.objects if (problems := wrong(each))} == {}
    assert len({identity(each) for each in found.objects}) == len(found.objects)
    labels = [pod["metadata"]["labels"] for _, pod in pods(found.objects)]
    lost = [
        name for name, wanted in selectors(found.objects) if not any(matches(wanted, each) for each in labels)
    ]
    assert lost == []
