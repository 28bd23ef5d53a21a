"""From a spec to what the controller works with."""

from dataclasses import fields, replace
from typing import Any

import pytest

from canary.judge import profiles
from canary.judge.policy import Margin, Shadow, Step
from canary.resource.convert import mesh_policy_of, profile_of, routing_of
from canary.resource.errors import InvalidResource
from canary.resource.fields import json_name
from canary.resource.policy import PolicySpec
from canary.resource.spec import ModelRollout, Spec
from mesh.policy import ConnectionPool, OutlierDetection, Policy
from mesh.routing import HeaderMatch, RouteMatch, Routing, Style
from tests.support.kubeapi.samples import rollout


def spec(**fields: Any) -> Spec:  # noqa: ANN401 - any JSON
    return ModelRollout.read(rollout(**fields)).spec


def test_an_empty_spec_is_what_the_code_does_by_default() -> None:
    assert routing_of(spec()) == Routing()
    assert mesh_policy_of(spec()) == Policy()
    assert profile_of(spec()) == profiles.DEFAULT


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_every_profile_can_be_chosen_and_no_other(name: str) -> None:
    assert profile_of(spec(policy={"profile": name})) == profiles.PROFILES[name]
    with pytest.raises(InvalidResource, match=name):
        spec(policy={"profile": "reckless"})


def test_steps_keep_their_own_times_and_take_the_others_from_the_profile() -> None:
    steps = [
        {"weight": 1, "soak": "5m"},
        {"weight": 10, "pause": True},
        {"weight": 60},
        {"weight": 80},
        {"weight": 100},
    ]
    expected = (Step(1, 300), Step(10, 60, pause=True), Step(60, 120), Step(80, 120))
    assert profile_of(spec(policy={"steps": steps})).steps == expected


def test_margins_are_points_in_the_spec_and_fractions_in_the_judge() -> None:
    tolerated, tight, stated = (
        {"ratio": ratio, "points": points} for ratio, points in ((1, 0), (1.5, 0.5), (2, 1))
    )
    margins = {"tolerated": tolerated, "tight": tight, "stated": stated}
    metrics = [{"name": "errors", **margins}, {"name": "slow", "use": "watched"}]
    errors, slow, *_ = profile_of(spec(policy={"metrics": metrics})).metrics
    assert (errors.tolerated, errors.tight, errors.stated) == (Margin(1, 0), Margin(1.5, 0.5), Margin(2, 1))
    assert (errors.tight.added, errors.stated.added) == (0.005, 0.01)
    assert (errors.use, slow.use) == ("required", "watched")
    assert slow.stated == profiles.SLOW.stated


def test_what_a_metric_leaves_out_is_the_profiles() -> None:
    tight = {"ratio": 1.8, "points": 12}
    metrics = [{"name": "lowconf", "tight": tight}]
    [*_, lowconf] = profile_of(spec(policy={"profile": "fast", "metrics": metrics})).metrics
    [*_, before] = profiles.FAST.metrics
    assert lowconf == replace(before, tight=Margin(1.8, 12))
    assert lowconf.use == "watched"


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        ({"bake": "10s"}, "make bake 1m or more"),
        ({"profile": "fast", "holdback": 5}, "make bake 1m or more"),
        ({"progressDeadline": "10m"}, "longer than fallback"),
        ({"profile": "fast", "progressDeadline": "20s"}, "longer than fallback"),
        ({"metrics": [{"name": "errors", "tight": {"ratio": 9, "points": 0}}]}, "metric errors: ratios"),
        ({"metrics": [{"name": "slow", "tight": {"ratio": 2, "points": 3}}]}, "metric slow: points"),
        ({"metrics": [{"name": "slow", "stated": {"ratio": 2, "points": 0.2}}]}, "no number of requests"),
        (
            {"profile": "fast", "metrics": [{"name": n, "use": "watched"} for n in ("errors", "slow")]},
            "with the profile fast: at least one metric must be required",
        ),
    ],
)
def test_what_does_not_go_with_the_profile_is_refused(policy: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidResource, match=words):
        profile_of(spec(policy=policy))


DIFFERENCES = [name for name in PolicySpec.model_fields if name not in {"profile", "steps", "metrics"}]


@pytest.mark.parametrize("field", DIFFERENCES)
@pytest.mark.parametrize("name", profiles.PROFILES)
def test_a_field_that_is_stated_changes_itself_alone(name: str, field: str) -> None:
    given, expected = ("11h", 39600.0) if field.endswith("_s") else (3, 3)
    base = profiles.PROFILES[name]
    beside = {"bake": "9m"} if field == "holdback" else {}
    found = profile_of(spec(policy={"profile": name, **beside, json_name(field): given}))
    assert getattr(found, field) == expected
    assert replace(found, **{"bake_s": base.bake_s, field: getattr(base, field)}) == base


def test_every_field_of_the_policy_has_its_namesake_in_the_profile_and_no_default() -> None:
    own = {field.name for field in fields(profiles.DEFAULT)}
    differences = {name: field for name, field in PolicySpec.model_fields.items() if name != "profile"}
    assert differences.keys() <= own
    assert all(field.default in (None, ()) for field in differences.values())


def test_copies_last_as_long_as_the_profile_says() -> None:
    for name, seconds in (("default", 120.0), ("fast", 10.0)):
        given = spec(policy={"profile": name}, shadow={"percent": 10})
        assert profile_of(given).shadow == Shadow(10, seconds, 0)


def test_a_metric_can_be_left_out() -> None:
    off = [{"name": name, "use": "off"} for name in ("slow", "lowconf", "feedback")]
    assert profile_of(spec(policy={"metrics": off})).metrics == (profiles.ERRORS,)


def test_times_are_taken_over() -> None:
    profile = profile_of(spec(policy={"fallback": "20m", "bake": "1h", "holdback": 2}))
    assert (profile.fallback_s, profile.bake_s, profile.holdback) == (1200, 3600, 2)


def test_a_metric_that_cannot_be_measured_is_refused_by_name() -> None:
    known = {metric.name for metric in profiles.DEFAULT.metrics}
    for name in {"lowconf", "feedback", "shadow"} - known:
        with pytest.raises(InvalidResource, match=f"{name} cannot be measured"):
            profile_of(spec(policy={"metrics": [{"name": name}]}))


def test_copies_bring_their_metric_and_their_margins_can_be_set() -> None:
    shadow = {"percent": 30, "duration": "5m", "duringPercent": 10}
    margins = {
        "tolerated": {"ratio": 0, "points": 20},
        "tight": {"ratio": 0, "points": 30},
        "stated": {"ratio": 0, "points": 40},
    }
    profile = profile_of(spec(shadow=shadow, policy={"metrics": [{"name": "shadow", **margins}]}))
    assert profile.shadow == Shadow(30, 300, 10)
    assert profile.metrics[-1].stated == Margin(0, 40)
    assert profile.metrics[-1].mirrored
    with pytest.raises(InvalidResource, match=r"set spec\.shadow\.percent"):
        profile_of(spec(policy={"metrics": [{"name": "shadow"}]}))


def test_the_shape_of_the_routes_is_taken_over() -> None:
    routing = {
        "style": "gatewayAPI",
        "gateways": ["istio-ingress/public"],
        "hosts": ["bert.example.org"],
        "match": [{"pathPrefix": "/v1", "headers": [{"name": "x-team", "exact": "nlp"}]}],
        "headerPin": False,
        "cohortHeader": "x-cohort",
        "adopt": True,
    }
    assert routing_of(spec(routing=routing)) == Routing(
        style=Style.GATEWAY_API,
        gateways=("istio-ingress/public",),
        hosts=("bert.example.org",),
        match=(RouteMatch("/v1", (HeaderMatch("x-team", "nlp"),)),),
        header_pin=False,
        cohort_header="x-cohort",
        adopt=True,
    )


def test_retries_and_time_limits_are_taken_over() -> None:
    routing = {
        "timeout": "10s",
        "retries": {"attempts": 1, "perTryTimeout": "500ms", "retryOn": ["reset"], "statusCodes": []},
    }
    policy = mesh_policy_of(spec(routing=routing))
    assert (policy.timeout_s, policy.retries.per_try_timeout_s) == (10, 0.5)
    assert (policy.retries.retry_on, policy.retries.status_codes) == (("reset",), ())


def test_limits_of_connections_are_taken_over() -> None:
    outliers = {
        "consecutive5xxErrors": 9,
        "interval": "1s",
        "baseEjectionTime": "1m",
        "maxEjectionPercent": 10,
    }
    limits = {"maxConnections": 1, "maxPendingRequests": 2, "maxRequests": 3, "maxRetries": 4}
    pool = {**limits, "connectTimeout": "500ms", "idleTimeout": "20s"}
    routing = {"connectionPool": pool, "outlierDetection": outliers, "warmup": "30s"}
    policy = mesh_policy_of(spec(routing=routing))
    assert policy.connection_pool == ConnectionPool(1, 2, 3, 4, 0.5, 20)
    assert policy.outlier_detection == OutlierDetection(9, 1, 60, 10)
    assert policy.warmup_s == 30


def test_a_time_of_zero_is_refused() -> None:
    with pytest.raises(InvalidResource, match="must be above 0"):
        spec(routing={"retries": {"perTryTimeout": "0s"}})
