"""From a ModelRollout's spec to what the parts of the controller work with."""

from dataclasses import replace

from canary.judge import profiles
from canary.judge.policy import Margin, Metric, Profile, Step
from canary.measure.counts import MAX_PERCENT
from canary.resource.errors import InvalidResource
from canary.resource.fields import seconds
from canary.resource.policy import Margin as MarginSpec
from canary.resource.policy import Metric as MetricSpec
from canary.resource.policy import Policy as PolicySpec
from canary.resource.policy import Step as StepSpec
from canary.resource.spec import Spec
from mesh.errors import InvalidMesh
from mesh.policy import Policy, Retries
from mesh.routing import HeaderMatch, RouteMatch, Routing, Style

POINT = 0.01


def routing_of(spec: Spec) -> Routing:
    """Return the shape of the routes."""
    given = spec.routing
    return Routing(
        style=Style(given.style),
        gateways=given.gateways,
        hosts=given.hosts,
        match=tuple(
            RouteMatch(
                match.path_prefix, tuple(HeaderMatch(header.name, header.exact) for header in match.headers)
            )
            for match in given.match
        ),
        header_pin=given.header_pin,
        cohort=given.cohort.header if given.cohort else None,
        adopt=given.adopt,
    )


def mesh_policy_of(spec: Spec) -> Policy:
    """Return time limits, retries and limits of connections.

    Raises:
        InvalidResource: a time is zero.
    """
    given, default = spec.routing, Policy()
    try:
        retries = Retries(
            attempts=given.retries.attempts,
            per_try_timeout_s=seconds(given.retries.per_try_timeout),
            on=given.retries.retry_on,
            status_codes=given.retries.status_codes,
        )
        timeout_s = seconds(given.timeout) if given.timeout else default.timeout_s
        connections = given.connections
        return Policy(
            timeout_s=timeout_s,
            retries=retries,
            outlier=connections.outlier(),
            pool=connections.pool(),
            warmup_s=connections.warmup_s(),
        )
    except InvalidMesh as error:
        raise InvalidResource(spec.service, [f"spec.routing: {error}"]) from error


def profile_of(spec: Spec) -> Profile:
    """Return the profile that the policy names, with what the policy says differently.

    Raises:
        InvalidResource: a metric is not in the metric table of this version.
    """
    given, shadow = spec.policy, spec.shadow
    base = profiles.shadowed(
        profiles.profile(given.profile), shadow.percent, shadow.during_percent, seconds(shadow.duration)
    )
    return replace(
        base,
        steps=_steps(given, base),
        metrics=_metrics(spec, base),
        fallback_s=seconds(given.fallback),
        bake_s=seconds(given.bake.duration),
        holdback=given.bake.holdback,
    )


def pauses_of(spec: Spec) -> frozenset[int]:
    """Return the numbers of the steps (from 0) that wait for a person."""
    return frozenset(number for number, step in enumerate(_below_all(spec.policy)) if step.pause)


def _below_all(given: PolicySpec) -> tuple[StepSpec, ...]:
    """Return the steps without that of 100 %, which follows by itself."""
    return tuple(step for step in given.steps or () if step.weight < MAX_PERCENT)


def _steps(given: PolicySpec, base: Profile) -> tuple[Step, ...]:
    soaks = [step.soak_s for step in base.steps]
    return (
        tuple(
            Step(step.weight, seconds(step.soak) if step.soak else soaks[min(number, len(soaks) - 1)])
            for number, step in enumerate(_below_all(given))
        )
        or base.steps
    )


def _metrics(spec: Spec, base: Profile) -> tuple[Metric, ...]:
    table = {metric.name: metric for metric in base.metrics}
    wanted: dict[str, MetricSpec] = {
        metric.name: metric for metric in spec.policy.metrics if metric.use != "off"
    }
    unknown = sorted(wanted.keys() - table.keys())
    if unknown:
        raise InvalidResource(
            spec.service,
            [f"spec.policy.metrics: {', '.join(unknown)} cannot be measured here: {_remedy(unknown)}"],
        )
    off = {metric.name for metric in spec.policy.metrics if metric.use == "off"}
    return tuple(_merged(metric, wanted.get(name)) for name, metric in table.items() if name not in off)


def _remedy(unknown: list[str]) -> str:
    if unknown == [profiles.SHADOW.name]:
        return "set spec.shadow.percent, so that there are copies to compare, or set use to off"
    return "set use to off"


def _merged(base: Metric, given: MetricSpec | None) -> Metric:
    if given is None:
        return base
    judged = replace(base, required=given.use == "required")
    if given.margins is None:
        return judged
    return replace(
        judged,
        tolerated=_margin(given.margins.tolerated),
        tight=_margin(given.margins.tight),
        loose=_margin(given.margins.stated),
    )


def _margin(given: MarginSpec) -> Margin:
    return Margin(given.ratio, given.points * POINT)
