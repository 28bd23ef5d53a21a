"""The running evidence about one metric: small, incremental, O(1) a tick, and plain data."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple, Self

from canary.judge.dispersion import Dispersion
from canary.judge.incident import StableWatch
from canary.judge.policy import Margin, Metric, Profile
from canary.judge.stage import Stage
from canary.judge.statistics import HARM_GRID, SAFE_GRID, add, grow, log_harm, log_safe, mean
from canary.measure.counts import MAX_PERCENT, Counts, Pair, PodCounts, Tick, better_half, total

HARM_CAP: Final = 2.5
BREAKER_CAP: Final = 7.0
BREAKER_MIN_BAD: Final = 3
MAX_PODS: Final = 32


@dataclass(frozen=True)
class HarmCase:
    """The case against the canary, or against the canary without one pod: ln L by alternative."""

    pod: str = ""
    harm: tuple[float, ...] = ()
    breaker: tuple[float, ...] = ()
    bad: int = 0

    @property
    def harm_value(self) -> float:
        """E of HARM."""
        return mean(self.harm, 0.0)

    @property
    def breaker_value(self) -> float:
        """E of the breaker, which counts only from the third canary error on."""
        return mean(self.breaker, 0.0) if self.bad >= BREAKER_MIN_BAD else 0.0


@dataclass(frozen=True)
class Safety:
    """The case for the canary within the present weight step: ln S by bet, at three margins."""

    step: tuple[float, ...] = ()
    tight: tuple[float, ...] = ()
    stated: tuple[float, ...] = ()


@dataclass(frozen=True)
class Sample:
    """What was counted of both versions, and for how long (seconds of fresh ticks)."""

    stable: Counts = field(default_factory=Counts)
    canary: Counts = field(default_factory=Counts)
    seconds: float = 0.0

    def plus(self, pair: Pair, seconds: float) -> "Sample":
        """Return the sample with one more tick in it."""
        stable = self.stable + Counts(pair.stable_n, pair.stable_x)
        return Sample(stable, self.canary + Counts(pair.canary_n, pair.canary_x), self.seconds + seconds)


@dataclass(frozen=True)
class Waiting:
    """What was counted of the canary's pods, by their names, while nothing was counted of the stable.

    Proxies tell durations some seconds at once, and each pod is scraped at its own time: the two sides of a
    comparison may never come in the same tick. ``since`` is in Unix seconds. ``incident`` says that some
    of it came while the stable itself was bad: then it proves no harm.
    """

    pods: Mapping[str, Counts] = field(default_factory=dict)
    since: float = 0.0
    incident: bool = False

    def joined(self, metric: Metric, tick: Tick, limit_s: float) -> tuple[Tick, Self]:
        """Return the tick with what has waited, at most for ``limit_s`` seconds, and what waits from then on.

        Where nothing is counted of the stable, the tick has nothing of the canary either: that waits.
        """
        none = type(self)()
        waited = self if tick.at - self.since <= limit_s else none
        came = {p.pod: p.metrics.get(metric.name, Counts()) for p in tick.grown(metric.skip_young_s)}
        pods = {
            pod: waited.pods.get(pod, Counts()) + came.get(pod, Counts()) for pod in (*waited.pods, *came)
        }
        if not total(metric.name, tick.stable).requests:
            waits = any(counts.requests for counts in pods.values())
            since = waited.since if waited.pods else tick.at
            return replace(tick, canary=()), type(self)(pods, since) if waits else none
        if not waited.pods:
            return tick, none
        return replace(
            tick, canary=tuple(PodCounts(pod, {metric.name: n}, math.inf) for pod, n in pods.items())
        ), none


@dataclass(frozen=True)
class Context:
    """What a tick is weighed by: the policy, the weight step, the change-point mass.

    ``stake`` is how many times the mass a metric has for HARM (see `canary.judge.stakes`).
    """

    profile: Profile
    stage: Stage
    mass: float
    stake: float = 1.0


@dataclass(frozen=True)
class MetricEvidence:
    """All that is known about one metric."""

    name: str
    whole: HarmCase = field(default_factory=HarmCase)
    without: tuple[HarmCase, ...] = ()
    safety: Safety = field(default_factory=Safety)
    dispersion: Dispersion = field(default_factory=Dispersion)
    watch: StableWatch = field(default_factory=StableWatch)
    step: Sample = field(default_factory=Sample)
    rollout: Sample = field(default_factory=Sample)
    waiting: Waiting = field(default_factory=Waiting)

    @property
    def fair(self) -> tuple[HarmCase, ...]:
        """The cases of which the weakest counts: no single pod may convict the version."""
        return self.without if len(self.without) > 1 else (self.whole,)

    @property
    def counted(self) -> bool:
        """Whether such events have been counted of any version at all."""
        seen = (self.dispersion.requests, self.rollout.stable.requests, self.rollout.canary.requests)
        return any(seen)

    def phi(self, limit: float) -> float:
        """Return by what HARM and SAFE divide ln e."""
        return min(max(self.dispersion.stable, self.dispersion.split), limit)

    def learn(self, metric: Metric, tick: Tick, profile: Profile) -> Self:
        """Return the evidence after a tick of the stable's history."""
        pair = tick.pair(metric.name)._replace(canary_n=0, canary_x=0)
        return self._watch(tick.at, pair, profile)

    def observe(self, metric: Metric, tick: Tick, context: Context) -> Self:
        """Return the evidence after a fresh tick that may convict or clear the canary."""
        waiting = Waiting()
        if metric.tolerated.ratio and not context.stage.alone:  # else nothing is compared with the stable
            tick, waiting = self.waiting.joined(metric, tick, context.profile.no_data_s)
        pair = _pair(metric, tick, context.stage)
        watched = self if context.stage.alone else self._watch(tick.at, pair, context.profile)
        incident = watched.watch.incident or self.waiting.incident
        if waiting.pods:
            # In this tick the stable said nothing: what it said last holds.
            waiting = replace(waiting, incident=incident or self.watch.incident)
        weighing = Weighing(metric, context, self, incident=incident)
        return replace(
            watched,
            whole=weighing.case(self.whole, pair, weighing.gains(pair)),
            without=_without(self, weighing, tick),
            safety=weighing.safety(self.safety, pair),
            step=self.step.plus(pair, tick.seconds),
            rollout=self.rollout.plus(pair, tick.seconds),
            waiting=waiting,
        )

    def at_new_step(self) -> Self:
        """Return the evidence with SAFE begun again; what was counted at another weight waits no more."""
        return replace(self, safety=Safety(), step=Sample(), waiting=Waiting())

    def _watch(self, at: float, pair: Pair, profile: Profile) -> Self:
        watch = self.watch.observe(at, Counts(pair.stable_n, pair.stable_x), profile.incident_s)
        dispersion = self.dispersion if watch.incident else self.dispersion.observe(pair)
        return replace(self, watch=watch, dispersion=dispersion)


class Gains(NamedTuple):
    """What one tick says: ln e by alternative, of HARM and of the breaker."""

    harm: list[float]
    breaker: list[float]


@dataclass(frozen=True)
class Weighing:
    """How one tick is weighed: by phi of the past, and under an incident only in the canary's favour."""

    metric: Metric
    context: Context
    past: MetricEvidence
    incident: bool

    def gains(self, pair: Pair) -> Gains:
        """Return what this tick says against the canary."""
        harm = self._gains(pair, self._harm_null, self.past.phi(self._limit), HARM_CAP)
        return Gains(harm, self.breaker_gains(pair))

    def breaker_gains(self, pair: Pair) -> list[float]:
        """Return what this tick says to the breaker, if the metric has one."""
        if self.metric.breaker is None:
            return []
        null = self._null(self.metric.breaker, self.metric.breaker)
        phi = min(self.past.dispersion.stable, self._limit)
        return self._gains(pair, null, phi, BREAKER_CAP)

    def case(self, case: HarmCase, pair: Pair, gains: Gains) -> HarmCase:
        """Return a case against the canary with this tick's gains."""
        mass, stake = self.context.mass, self.context.stake
        breaker = grow(case.breaker, gains.breaker, mass) if self.metric.breaker else case.breaker
        harm = grow(case.harm, gains.harm, stake * mass)
        return replace(case, harm=harm, breaker=breaker, bad=case.bad + pair.canary_x)

    def safety(self, safety: Safety, pair: Pair) -> Safety:
        """Return the case for the canary; an incident, or a bake without a control, proves nothing."""
        if self.incident or self.context.stage.alone:
            return safety
        return Safety(
            self._bets(safety.step, pair, self.context.stage.margin(self.metric)),
            self._bets(safety.tight, pair, self.metric.tight),
            self._bets(safety.stated, pair, self.metric.stated),
        )

    @property
    def _limit(self) -> float:
        return self.context.profile.phi_max

    @property
    def _harm_null(self) -> Margin:
        return self._null(self.metric.tolerated, self.metric.stated)

    def _null(self, compared: Margin, alone: Margin) -> Margin:
        """Return the null: against the stable now, or at 100 % against what the stable's rate was."""
        if not self.context.stage.alone:
            return compared
        return Margin(0.0, MAX_PERCENT * alone.of(self.past.dispersion.stable_rate))

    def _gains(self, pair: Pair, null: Margin, phi: float, cap: float) -> list[float]:
        top = cap / math.sqrt(phi)
        logs = (log_harm(pair, r, null.ratio, null.added) / phi for r in HARM_GRID)
        return [min(log, top, 0.0) if self.incident else min(log, top) for log in logs]

    def _bets(self, logs: Sequence[float], pair: Pair, null: Margin) -> tuple[float, ...]:
        phi = self.past.phi(self._limit)
        return add(logs, [log_safe(pair, bet, null.ratio, null.added) / phi for bet in SAFE_GRID])


def _without(evidence: MetricEvidence, weighing: Weighing, tick: Tick) -> tuple[HarmCase, ...]:
    """Return the cases without one pod each; a pod that is new had no part in the case so far."""
    metric = weighing.metric
    present = [p.pod for p in tick.grown(metric.skip_young_s) if p.pod and metric.name in p.metrics]
    known = {case.pod: case for case in evidence.without}
    fresh = {pod: replace(evidence.whole, pod=pod) for pod in present if pod not in known}
    # Beyond the limit the oldest pods are forgotten: the evidence stays valid, it is only less lenient.
    kept = list((known | fresh).values())[-MAX_PODS:]
    pairs = [tick.pair(metric.name, skip_young_s=metric.skip_young_s, without=case.pod) for case in kept]
    gains = [weighing.gains(pair) for pair in pairs]
    if len(gains) > 1:
        better = better_half(metric.name, tick, metric.skip_young_s)
        gains = _limited(gains, weighing.context.profile.lone_gain, weighing.breaker_gains(better))
    return tuple(weighing.case(*row) for row in zip(kept, pairs, gains, strict=True))


def _limited(gains: list[Gains], lone_gain: float, better: list[float]) -> list[Gains]:
    """Let no pod add much to HARM in one tick: its burst may come at another time than that of the next pod.

    As little may the worse half of the canary add to the breaker, which is not divided by all that is known
    of clustering: two pods may have their bursts at once. The expectation stays at most one, for factors only
    become smaller.
    """
    tops = [min(column) + lone_gain for column in zip(*(gain.harm for gain in gains), strict=True)]
    halves = [gain + lone_gain for gain in better]
    return [Gains(_lowest(gain.harm, tops), _lowest(gain.breaker, halves)) for gain in gains]


def _lowest(gains: Sequence[float], tops: Sequence[float]) -> list[float]:
    return [min(pair) for pair in zip(gains, tops, strict=True)]


def _pair(metric: Metric, tick: Tick, stage: Stage) -> Pair:
    """Return the counts of a tick; what is left to the stable at 100 %, pinned requests, is no control."""
    pair = tick.pair(metric.name, skip_young_s=metric.skip_young_s)
    return pair._replace(stable_n=0, stable_x=0) if stage.alone else pair
