"""From a ModelRollout's spec to what the parts of the controller work with: same names, other types."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from canary.judge import profiles
from canary.judge.policy import Metric, Profile, Step
from canary.measure.counts import MAX_PERCENT
from canary.resource.errors import InvalidResource
from canary.resource.fields import Part
from canary.resource.policy import MetricSpec, PolicySpec
from canary.resource.spec import Spec
from mesh.policy import Policy
from mesh.routing import Routing

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


def routing_of(spec: Spec) -> Routing:
    """Return the shape of the routes."""
    return Routing(**_named(Routing, spec.routing))


def mesh_policy_of(spec: Spec) -> Policy:
    """Return time limits, retries and limits of connections."""
    return Policy(**_named(Policy, spec.routing))


def profile_of(spec: Spec) -> Profile:
    """Return the profile that the policy names, with what the policy says differently.

    Raises:
        InvalidResource: a metric is not in the metric table of this version, or what the policy states
            does not go with what it leaves to the profile.
    """
    given, shadow = spec.policy, spec.shadow
    base = profiles.shadowed(
        profiles.profile(given.profile), shadow.percent, shadow.during_percent, shadow.duration_s
    )
    stated = {**_named(Profile, given), "steps": _steps(given, base), "metrics": _metrics(spec, base)}
    found = replace(base, **stated)
    problems = list(_contradictions(found))
    if problems:
        raise InvalidResource(spec.service, problems)
    return found


def _named(kind: "type[DataclassInstance]", part: Part) -> Mapping[str, Any]:
    """Return what ``part`` states of the fields of ``kind``."""
    names = {field.name for field in fields(kind)}
    return {name: value for name, value in part if name in names and value is not None}


def _contradictions(profile: Profile) -> Iterator[str]:
    """Yield what of the policy's rules does not hold for the whole of it."""
    where = f"spec.policy with the profile {profile.name}"
    yield from (
        f"{where}: {rule.message}" for rule in PolicySpec.RULES if rule.holds and not rule.holds(profile)
    )
    for metric in profile.metrics:
        for rule in MetricSpec.RULES:
            if rule.holds and not rule.holds(metric):
                yield f"{where}: metric {metric.name}: {rule.message}"


def _steps(given: PolicySpec, base: Profile) -> tuple[Step, ...]:
    """Return the steps without that of 100 %, which follows by itself."""
    soaks = [step.soak_s for step in base.steps]
    below_all = [step for step in given.steps or () if step.weight < MAX_PERCENT]
    return (
        tuple(
            Step(
                step.weight,
                soaks[min(number, len(soaks) - 1)] if step.soak_s is None else step.soak_s,
                step.pause,
            )
            for number, step in enumerate(below_all)
        )
        or base.steps
    )


def _metrics(spec: Spec, base: Profile) -> tuple[Metric, ...]:
    known = {metric.name for metric in base.metrics}
    stated = {metric.name: metric for metric in spec.policy.metrics}
    off = {name for name, metric in stated.items() if metric.use == "off"}
    unknown = sorted(stated.keys() - known - off)
    if unknown:
        raise InvalidResource(
            spec.service,
            [f"spec.policy.metrics: {', '.join(unknown)} cannot be measured here: {_remedy(unknown)}"],
        )
    return tuple(
        replace(metric, **_named(Metric, stated[metric.name])) if metric.name in stated else metric
        for metric in base.metrics
        if metric.name not in off
    )


def _remedy(unknown: Sequence[str]) -> str:
    if unknown == [profiles.SHADOW.name]:
        return "set spec.shadow.percent, so that there are copies to compare, or set use to off"
    return "set use to off"
