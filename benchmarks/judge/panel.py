"""The shipped judge for many rollouts at once: the same formulas over arrays.

A simulation needs thousands of rollouts, and the shipped code judges one at a time. Everything that can be
is imported from `canary`; tests/benchmarks/test_panel.py holds both to the same evidence and the same
verdicts on random traces. One metric, no bake.

Arrays are (runs,), or (runs, cases, alternatives); case 0 is the canary as a whole, case j + 1 the canary
without pod j.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.judge.usual import Spread, Watch
from canary.judge.balance import BREAKER_SHARE, HARM_SHARE
from canary.judge.claims import ADVANCE_AT, PROMOTE_AT
from canary.judge.evidence import BREAKER_CAP, BREAKER_MIN_BAD, HARM_CAP
from canary.judge.policy import Margin, Profile
from canary.judge.presence import MIN_EXPECTED
from canary.judge.rules import ROLL_BACK_AT, SUSPECT_AT
from canary.judge.stage import Stage
from canary.judge.statistics import HARM_GRID, MAX_LOG, SAFE_GRID
from mesh.policy import MAX_PERCENT

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

HARM: Final = np.array(HARM_GRID)
SAFE: Final = np.array(SAFE_GRID)
HOLD, ADVANCE, ROLL_BACK = 0, 1, -1


@dataclass(frozen=True)
class Counts:
    """One tick: counts of the stable (runs,) and of each canary pod (runs, pods)."""

    stable_n: Floats
    stable_x: Floats
    pods_n: Floats
    pods_x: Floats

    def plus(self, other: "Counts") -> "Counts":
        """Return both ticks as one: what a late scrape catches up with."""
        return Counts(
            self.stable_n + other.stable_n,
            self.stable_x + other.stable_x,
            self.pods_n + other.pods_n,
            self.pods_x + other.pods_x,
        )


class Panel:
    """Judges ``runs`` rollouts of a profile with one metric."""

    def __init__(self, profile: Profile, runs: int, pods: int) -> None:
        self.profile = profile
        self.metric = profile.metrics[0]
        self.step = np.zeros(runs, dtype=np.int64)
        self.spread, self.watch = Spread(runs), Watch(runs, profile.incident_s)
        self.evidence = np.zeros(runs)
        self._weights = np.array([step.weight for step in profile.steps] + [MAX_PERCENT])
        self._soaks = np.array([step.soak_s for step in profile.steps])
        self._extras = np.array(
            [_stage(profile, k).margin(self.metric).added for k in range(len(self._soaks))]
        )
        self._harm = np.full((runs, pods + 1, len(HARM)), -np.inf)
        self._breaker = self._harm.copy()
        self._bad = np.zeros((runs, pods + 1))
        self._safe = np.zeros((3, runs, len(SAFE)))
        self._opened = np.full(runs, -1)
        nothing = np.zeros((runs, pods))
        self._waiting, self._waiting_since = (nothing, nothing), np.zeros(runs)
        self._waiting_incident = np.zeros(runs, dtype=bool)
        self._since = np.zeros(runs)
        self._ticks = 0
        self._fresh_at = 0.0
        self._heard_at, self._expected = np.zeros(runs), np.zeros(runs)

    @property
    def weight(self) -> Ints:
        """The canary's weight of each rollout, per cent."""
        weight: Ints = self._weights[self.step]
        return weight

    def learn(self, at: float, stable_n: Floats, stable_x: Floats) -> None:
        """Take in a tick of the stable's history."""
        incident = self.watch.observe(at, stable_n, stable_x)
        nothing = np.zeros_like(stable_n)
        self.spread.observe(stable_n, stable_x, nothing, nothing, ~incident)

    def begin(self, at: float) -> None:
        """Let the first weight be live from now on."""
        self._since[:] = at
        self._heard_at[:] = at
        self._fresh_at = at

    def observe(self, at: float, tick: Counts) -> None:
        """Take in a fresh tick."""
        first = self.step > self._opened
        heard, waited, tick = tick.pods_n.sum(axis=1), self._forget(first), self._joined(at, tick)
        self._ticks += 1
        self._opened = np.maximum(self._opened, self.step)
        mass = 0.2 / (self._ticks * (self._ticks + 1)) + np.where(first, 0.8 * 0.5 ** (self.step + 1.0), 0.0)
        n_c, x_c = tick.pods_n.sum(axis=1), tick.pods_x.sum(axis=1)
        phi_s, phi_x = self.spread.stable, self.spread.split
        was = self.watch.incident
        calm = ~self.watch.observe(at, tick.stable_n, tick.stable_x)
        incident = ~calm | waited
        self._waiting_incident = (incident | was) & self._waiting[0].any(axis=1)
        phi = np.clip(np.maximum(phi_s, phi_x), None, self.profile.phi_max)
        self._accuse(tick, np.log(mass), phi, np.minimum(phi_s, self.profile.phi_max), incident)
        self._clear(tick, n_c, x_c, phi, first, incident)
        self.spread.observe(tick.stable_n, tick.stable_x, n_c, x_c, calm)
        self._listen(at, tick.stable_n, heard)
        self._fresh_at = at

    def judge(self, at: float) -> Ints:
        """Return HOLD, ADVANCE or ROLL_BACK for each rollout."""
        fair, whole = self._balance()
        self.evidence = fair
        silent = (at - self._heard_at >= self.profile.silent_s) & (self._expected >= MIN_EXPECTED)
        blind = at - self._fresh_at >= self.profile.grace_s
        elapsed = at - self._since
        held = (
            self.watch.incident
            | (whole >= ROLL_BACK_AT)
            | (fair >= SUSPECT_AT)
            | (elapsed < self._soaks[self.step])
        )
        verdict = np.where(held | blind | ~self._proved(elapsed), HOLD, ADVANCE)
        return np.where((fair >= ROLL_BACK_AT) | silent, ROLL_BACK, verdict)

    def advance(self, which: Bools, at: float) -> None:
        """Move rollouts to their next weight."""
        self.step = np.where(which, self.step + 1, self.step)
        self.step = np.minimum(self.step, len(self._soaks) - 1)
        self._since = np.where(which, at, self._since)

    def _forget(self, first: Bools) -> Bools:
        """Let what waited at another weight go; return where what still waits was counted in an incident."""
        n, x = (np.where(first[:, None], 0.0, each) for each in self._waiting)
        self._waiting = n, x
        return self._waiting_incident & ~first

    def _joined(self, at: float, tick: Counts) -> Counts:
        """Let the canary's counts wait for the stable's (see `canary.judge.evidence.Waiting`)."""
        waits = (tick.stable_n == 0)[:, None]
        kept = (at - self._waiting_since <= self.profile.no_data_s)[:, None]
        waited = [np.where(kept, each, 0.0) for each in self._waiting]
        pods_n, pods_x = waited[0] + tick.pods_n, waited[1] + tick.pods_x
        some = waited[0].any(axis=1) & waits[:, 0]
        self._waiting_since = np.where(some, self._waiting_since, at)
        self._waiting = np.where(waits, pods_n, 0.0), np.where(waits, pods_x, 0.0)
        return Counts(
            tick.stable_n, tick.stable_x, np.where(waits, 0.0, pods_n), np.where(waits, 0.0, pods_x)
        )

    def _accuse(self, tick: Counts, mass: Floats, phi: Floats, phi_s: Floats, incident: Bools) -> None:
        pods_n, pods_x = tick.pods_n, tick.pods_x
        n = np.concatenate([np.zeros_like(pods_n[:, :1]), pods_n], axis=1)
        x = np.concatenate([np.zeros_like(pods_x[:, :1]), pods_x], axis=1)
        n_c, x_c = pods_n.sum(axis=1, keepdims=True) - n, pods_x.sum(axis=1, keepdims=True) - x
        self._bad += x_c
        limits = (
            (self._harm, self.metric.tolerated, phi, HARM_CAP),
            (self._breaker, self.metric.breaker, phi_s, BREAKER_CAP),
        )
        for logs, null, divisor, cap in limits:
            if null is None:
                continue
            gains = log_harm(tick, n_c, x_c, null) / divisor[:, None, None]
            gains = np.minimum(gains, (cap / np.sqrt(divisor))[:, None, None])
            if gains.shape[1] > 2:  # noqa: PLR2004 - the whole and two pods
                lone = gains[:, 1:]
                tops = lone.min(axis=1, keepdims=True)
                if logs is self._breaker:
                    tops = log_harm(tick, *_better_half(tick), null) / divisor[:, None, None]
                    tops = np.minimum(tops, (cap / np.sqrt(divisor))[:, None, None])
                gains[:, 1:] = np.minimum(lone, tops + self.profile.lone_gain)
            gains = np.where(incident[:, None, None], np.minimum(gains, 0.0), gains)
            logs[:] = np.logaddexp(logs, mass[:, None, None]) + gains

    def _clear(
        self, tick: Counts, n_c: Floats, x_c: Floats, phi: Floats, first: Bools, incident: Bools
    ) -> None:
        self._safe[:, first] = 0.0
        metric = self.metric
        margins = (
            (metric.stated.ratio, self._extras[self.step]),
            (metric.tight.ratio, np.full(len(n_c), metric.tight.added)),
            (metric.stated.ratio, np.full(len(n_c), metric.stated.added)),
        )
        for k, (ratio, extra) in enumerate(margins):
            gains = log_safe(tick, n_c, x_c, ratio, extra) / phi[:, None]
            self._safe[k] += np.where(incident[:, None], 0.0, gains)

    def _listen(self, at: float, n_s: Floats, n_c: Floats) -> None:
        heard = n_c > 0
        due = n_s * self.weight / (MAX_PERCENT - self.weight)
        self._expected = np.where(heard, 0.0, self._expected + due)
        self._heard_at = np.where(heard, at, self._heard_at)

    def _balance(self) -> tuple[Floats, Floats]:
        """Return the evidence of harm, fair and as a whole."""
        harm = mean(self._harm)
        breaker = np.where(self._bad >= BREAKER_MIN_BAD, mean(self._breaker), 0.0)
        fair = slice(1, None) if harm.shape[1] > 2 else slice(None, 1)  # noqa: PLR2004 - the whole and two pods
        totals = (
            BREAKER_SHARE * breaker[:, part].min(axis=1) + HARM_SHARE * harm[:, part].min(axis=1)
            for part in (fair, slice(None, 1))
        )
        first, second = totals
        return first, second

    def _proved(self, elapsed: Floats) -> Bools:
        step, tight, stated = (mean(logs) for logs in self._safe)
        last = self.step == len(self._soaks) - 1
        final = (tight >= PROMOTE_AT) | ((stated >= PROMOTE_AT) & (elapsed >= self.profile.fallback_s))
        proved: Bools = np.where(last, final, step >= ADVANCE_AT)
        return proved


def mean(logs: Floats) -> Floats:
    """Return the mean of the exponentials over the last axis; at most 1e299."""
    value: Floats = np.exp(np.minimum(np.logaddexp.reduce(logs, axis=-1) - np.log(logs.shape[-1]), MAX_LOG))
    return value


def _stage(profile: Profile, step: int) -> Stage:
    weights = [each.weight for each in profile.steps] + [MAX_PERCENT]
    return Stage(step, weights[step], weights[step + 1])


def _better_half(tick: Counts) -> tuple[Floats, Floats]:
    """Return requests and failures of the better half (see `canary.measure.counts.better_half`)."""
    rates = np.where(tick.pods_n > 0, tick.pods_x / np.maximum(tick.pods_n, 1.0), 0.0)
    order = np.lexsort((tick.pods_n, rates), axis=1)
    n, x = (np.take_along_axis(each, order, axis=1) for each in (tick.pods_n, tick.pods_x))
    half = (n.sum(axis=1, keepdims=True) + 1) // 2
    before = np.cumsum(n, axis=1) - n
    taken = np.clip(half - before, 0.0, n)
    bad = (x * taken) // np.maximum(n, 1.0)
    return half, bad.sum(axis=1, keepdims=True)


def log_harm(tick: Counts, n_c: Floats, x_c: Floats, null: Margin) -> Floats:
    """Return ln e by run, case and alternative (see `canary.judge.statistics.log_harm`)."""
    n_s, x_s = tick.stable_n[:, None, None], tick.stable_x[:, None, None]
    n, x = n_c[:, :, None], x_c[:, :, None]
    some = (n > 0) & (n_s > 0)
    whole = np.where(some, HARM * null.ratio * n + n_s, 1.0)
    bet = (HARM - 1) * n_s / whole
    before = np.where(some, null.ratio * n + n_s, 1.0)
    return np.where(some, x * np.log1p(bet) + x_s * np.log(before / whole) - bet * n * null.added, 0.0)


def log_safe(tick: Counts, n_c: Floats, x_c: Floats, ratio: float, extra: Floats) -> Floats:
    """Return ln e by run and bet (see `canary.judge.statistics.log_safe`)."""
    n_s, x_s, n, x = tick.stable_n[:, None], tick.stable_x[:, None], n_c[:, None], x_c[:, None]
    some = (n > 0) & (n_s > 0)
    odds = n / np.where(some, n_s, 1.0)
    logs = x * np.log1p(-SAFE) + SAFE * n * extra[:, None] + x_s * np.log1p(SAFE * ratio * odds)
    return np.where(some, logs, 0.0)
