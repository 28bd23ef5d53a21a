"""From a spec to what the controller works with."""

from typing import Any

import pytest

from canary.judge import profiles
from canary.judge.policy import Margin, Shadow, Step
from canary.resource.convert import mesh_policy_of, pauses_of, profile_of, routing_of
from canary.resource.errors import InvalidResource
from canary.resource.spec import ModelRollout, Spec
from mesh.policy import Policy
from mesh.routing import HeaderMatch, RouteMatch, Routing, Style
from tests.support.kubeapi.samples import rollout


def spec(**fields: Any) -> Spec:  # noqa: ANN401 - any JSON
    return ModelRollout.read(rollout(**fields)).spec


def test_an_empty_spec_is_what_the_code_does_by_default() -> None:
    assert routing_of(spec()) == Routing()
    assert mesh_policy_of(spec()) == Policy()
    assert profile_of(spec()) == profiles.DEFAULT
    assert pauses_of(spec()) == frozenset()


@pytest.mark.parametrize("name", profiles.PROFILES)
def test_every_profile_can_be_chosen_and_no_other(name: str) -> None:
    chosen = profile_of(spec(policy={"profile": name}))
    assert (chosen.name, chosen.steps) == (name, profiles.PROFILES[name].steps)
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
    given = spec(policy={"steps": steps})
    assert profile_of(given).steps == (Step(1, 300), Step(10, 60), Step(60, 120), Step(80, 120))
    assert pauses_of(given) == {1}


def test_margins_are_points_in_the_spec_and_fractions_in_the_judge() -> None:
    tolerated, tight, stated = (
        {"ratio": ratio, "points": points} for ratio, points in ((1, 0), (1.5, 0.5), (2, 1))
    )
    margins = {"tolerated": tolerated, "tight": tight, "stated": stated}
    metrics = [{"name": "errors", "margins": margins}, {"name": "slow", "use": "watched"}]
    errors, slow, *_ = profile_of(spec(policy={"metrics": metrics})).metrics
    assert (errors.tolerated, errors.tight, errors.loose) == (
        Margin(1, 0),
        Margin(1.5, 0.005),
        Margin(2, 0.01),
    )
    assert (errors.required, slow.required) == (True, False)
    assert slow.loose == profiles.SLOW.loose


def test_a_metric_can_be_left_out() -> None:
    off = [{"name": name, "use": "off"} for name in ("slow", "lowconf", "feedback")]
    assert profile_of(spec(policy={"metrics": off})).metrics == (profiles.ERRORS,)


def test_times_are_taken_over() -> None:
    profile = profile_of(spec(policy={"fallback": "20m", "bake": {"duration": "1h", "holdback": 2}}))
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
    profile = profile_of(spec(shadow=shadow, policy={"metrics": [{"name": "shadow", "margins": margins}]}))
    assert profile.shadow == Shadow(30, 300, 10)
    assert profile.metrics[-1].loose == Margin(0, 0.4)
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
        "cohort": {"header": "x-cohort"},
        "adopt": True,
    }
    assert routing_of(spec(routing=routing)) == Routing(
        style=Style.GATEWAY_API,
        gateways=("istio-ingress/public",),
        hosts=("bert.example.org",),
        match=(RouteMatch("/v1", (HeaderMatch("x-team", "nlp"),)),),
        header_pin=False,
        cohort="x-cohort",
        adopt=True,
    )


def test_retries_and_time_limits_are_taken_over() -> None:
    routing = {
        "timeout": "10s",
        "retries": {"attempts": 1, "perTryTimeout": "500ms", "retryOn": ["reset"], "statusCodes": []},
    }
    policy = mesh_policy_of(spec(routing=routing))
    assert (policy.timeout_s, policy.retries.per_try_timeout_s) == (10, 0.5)
    assert (policy.retries.on, policy.retries.status_codes) == (("reset",), ())


def test_limits_of_connections_are_taken_over() -> None:
    ejection = {"after": 9, "interval": "1s", "time": "1m", "maxPercent": 10}
    given = {"maxConnections": 1, "maxPending": 2, "maxRequests": 3, "ejection": ejection, "warmup": "30s"}
    policy = mesh_policy_of(spec(routing={"connections": given}))
    assert (policy.pool.max_connections, policy.pool.max_pending, policy.pool.max_requests) == (1, 2, 3)
    outlier = policy.outlier
    assert (outlier.consecutive_5xx, outlier.interval_s, outlier.base_ejection_s) == (9, 1, 60)
    assert (outlier.max_ejection_percent, policy.warmup_s) == (10, 30)


def test_a_time_of_zero_is_refused() -> None:
    with pytest.raises(InvalidResource, match="must be above 0"):
        mesh_policy_of(spec(routing={"retries": {"perTryTimeout": "0s"}}))
