"""The metric table and the policy profiles, as data."""

from dataclasses import replace
from typing import Final

from canary.errors import BadSteps, UnknownProfile
from canary.judge.policy import Margin, Metric, Profile, Shadow, Step

ERRORS: Final = Metric(
    name="errors",
    bad="failed or timed out",
    tolerated=Margin(1.1, 0.01),
    tight=Margin(1.25, 0.05),
    stated=Margin(1.5, 0.5),
    weight=0.50,
    breaker=Margin(1.0, 0.5),
)
SLOW: Final = Metric(
    name="slow",
    bad="slower than the stable's slowest 1 %",
    tolerated=Margin(1.25, 0.2),
    tight=Margin(1.6, 0.5),
    stated=Margin(2.0, 2),
    weight=0.25,
    skip_young_s=30.0,
)
LOWCONF: Final = Metric(
    name="lowconf",
    bad="answered with low confidence",
    tolerated=Margin(1.1, 1),
    tight=Margin(1.25, 2),
    stated=Margin(1.5, 5),
    weight=0.15,
    if_counted=True,
)
FEEDBACK: Final = Metric(
    name="feedback",
    bad="marked as bad by users",
    tolerated=Margin(1.1, 1),
    tight=Margin(1.25, 5),
    stated=Margin(1.5, 10),
    weight=0.10,
    use="watched",
)
SHADOW: Final = Metric(
    name="shadow",
    bad="answered differently than the stable",
    tolerated=Margin(0.0, 5),
    tight=Margin(0.0, 8),
    stated=Margin(0.0, 10),
    weight=0.10,
    mirrored=True,
)
"""Part of a profile only while requests are copied; its weight then comes from `SLOW`."""

DEFAULT: Final = Profile(
    name="default",
    description="5 -> 20 -> 50 -> 95 -> 100 %, proves half a point of errors; from 10 requests/s up",
    steps=(Step(5, 60.0), Step(20, 60.0), Step(50, 120.0)),
    metrics=(ERRORS, SLOW, LOWCONF, FEEDBACK),
)
LOW_TRAFFIC: Final = replace(
    DEFAULT,
    name="low-traffic",
    description="20 -> 50 -> 95 -> 100 %, proves two points of errors; for services of about 1 request/s",
    steps=(Step(20, 60.0), Step(50, 120.0)),
    metrics=(replace(ERRORS, stated=Margin(1.5, 2)), SLOW, LOWCONF, FEEDBACK),
)
WIDE_SHADOW: Final = replace(SHADOW, tolerated=Margin(0.0, 10), tight=Margin(0.0, 20), stated=Margin(0.0, 30))
"""For `FAST`."""
# The margins of `fast` were chosen by simulating rollouts at 60 requests/s with two pods a version, on a
# machine that stalls: about every 20 s a second or three in which 20-90 % of all requests are slow, every
# 30 s the same for one pod (also three times as often and a third as often), and canary pods whose first two
# seconds are slow. Of 300 good canaries none was rolled back, 299 were promoted within four minutes, and
# half of them within 39, 52 and 65 s. A canary failing 30 % was out after 10 s (median; 16 s in nine of ten
# cases), one with nearly all requests slow after 10-12 s on a calm machine (13-19 s) and 21 s on the stalling
# one. What makes the difference:
# - slow is tolerated up to 2x + 10 points, far above what a stall does to one version alone;
# - `phi_max` 1.5: stalls come in bursts, which would divide all latency evidence by 10; the wide margins
#   and the per-pod rule stand in for that discount;
# - `incident_s` 5: starting canary pods slows the stable on a small machine, and a minute of remembering
#   that would be longer than a whole step.
# - `lone_gain` 7, which is no limit: with ticks of a second a canary has a request or two a pod in each.
# The 1 % error rates of the other profiles are not claimed for this one.
FAST: Final = Profile(
    name="fast",
    description="short soaks and wide margins, for demos and drills only: it proves little about a release",
    steps=(Step(5, 10.0), Step(20, 10.0), Step(50, 10.0)),
    metrics=(
        replace(ERRORS, tolerated=Margin(1.1, 0.2), tight=Margin(1.5, 5), stated=Margin(2.0, 8)),
        replace(
            SLOW,
            tolerated=Margin(2.0, 10),
            tight=Margin(2.0, 15),
            stated=Margin(3.0, 25),
            weight=0.50,
            skip_young_s=3.0,
        ),
        replace(
            LOWCONF,
            tolerated=Margin(1.3, 5),
            tight=Margin(1.5, 10),
            stated=Margin(2.0, 20),
            use="watched",
        ),
    ),
    tick_s=1.0,
    history_s=60.0,
    fallback_s=30.0,
    silent_s=15.0,
    no_data_s=15.0,
    incident_s=5.0,
    phi_max=1.5,
    bake_s=5.0,
    holdback=0,
    lone_gain=7.0,
    ready_s=300.0,
    shadow=Shadow(duration_s=10.0),
)
AT_ONCE: Final = replace(
    FAST,
    name="at-once",
    description="all traffic as soon as the pods are ready; nothing is judged",
    bake_s=10.0,
)
"""For `undo --now`; nobody can choose it for a rollout."""
PROFILES: Final = {profile.name: profile for profile in (DEFAULT, LOW_TRAFFIC, FAST)}


def profile(name: str, weights: tuple[int, ...] | None = None) -> Profile:
    """Return a profile by name, with other weights if some are given.

    Raises:
        UnknownProfile: there is none of that name.
        BadSteps: the weights do not rise, or one is not from 1 to 99.
    """
    if name not in PROFILES:
        raise UnknownProfile(name, list(PROFILES))
    found = PROFILES[name]
    if weights is None:
        return found
    try:
        return found.with_weights(weights)
    except ValueError as error:
        raise BadSteps(",".join(map(str, weights))) from error


def shadowed(
    profile: Profile, percent: int, during_percent: int = 0, duration_s: float | None = None
) -> Profile:
    """Return a profile under which requests are copied and the answers compared; without copies, itself.

    The shares are per cent of the stable's requests; ``duration_s`` is left to the profile if it is None.
    """
    shadow = Shadow(percent, profile.shadow.duration_s if duration_s is None else duration_s, during_percent)
    if not shadow:
        return profile
    row = WIDE_SHADOW if profile.name == FAST.name else SHADOW
    others = (
        replace(metric, weight=metric.weight - row.weight) if metric.name == SLOW.name else metric
        for metric in profile.metrics
    )
    return replace(profile, shadow=shadow, metrics=(*others, row))
