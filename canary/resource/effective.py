"""What a profile says, in a ModelRollout's words: for the reference page, and for who asks what holds."""

from collections.abc import Iterator, Mapping

from canary.judge.policy import Profile
from canary.resource.fields import json_name
from canary.resource.policy import PolicySpec
from mesh import duration


def effective(profile: Profile) -> Mapping[str, str]:
    """Return the values that hold, by the names of spec.policy and spec.shadow, and of the metrics."""
    return dict(_values(profile))


def _values(profile: Profile) -> Iterator[tuple[str, str]]:
    yield "steps", ", ".join(f"{step.weight} % {duration.text(step.soak_s)}" for step in profile.steps)
    for name, info in PolicySpec.model_fields.items():
        value = getattr(profile, name, None)
        if isinstance(value, float | int):
            percent = (info.description or "").startswith("Per cent")
            words = f"{value} %" if percent else f"{value:,}"
            yield json_name(name), duration.text(value) if name.endswith("_s") else words
    yield "shadow.duration", duration.text(profile.shadow.duration_s)
    for metric in profile.metrics:
        yield metric.name, f"{metric.use}: {metric.tolerated}; {metric.tight}; {metric.stated}"
