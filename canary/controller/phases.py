"""What is to be asked in each phase: the stable's history, the pods, the gates, the judge."""

from dataclasses import dataclass, replace
from typing import Final

from canary.controller.ports import Metrics, Pins, Workloads
from canary.controller.readings import Measured, read_history, read_tick
from canary.errors import MetricsDown
from canary.judge.ledger import Ledger
from canary.judge.rules import Moment, judge
from canary.judge.verdict import Outcome, Verdict, advance, fail, hold
from canary.rollout.model import Phase, Rollout
from canary.rollout.state import State

UNPROVED: Final = "weight_unproved"


@dataclass(frozen=True)
class Judged:
    """A verdict, and the state with the evidence it rests on."""

    state: State
    verdict: Verdict


@dataclass(frozen=True)
class Inquiry:
    """Asks the metrics and the pods, measurements once a tick."""

    metrics: Metrics
    workloads: Workloads
    pins: Pins

    def ask(self, state: State, now: float) -> Judged | None:
        """Return what is found about the rollout in progress, or None if nothing is due."""
        rollout = state.active
        if rollout is None or rollout.phase is Phase.ROLLING_BACK:
            return None
        due = _is_due(state, rollout, now)
        at = replace(state, ticked_at=now) if due else state
        if rollout.at_once and rollout.acting in {Phase.PENDING, Phase.BAKING}:
            return Judged(at, _undisputed(at, rollout, now)) if due else None
        match rollout.acting:
            case Phase.PENDING:
                return self._history(at, rollout, now) if due else None
            case Phase.WARMING:
                return self._readiness(at, rollout, now, due=due)
            case Phase.REHEARSING if not rollout.mirror:
                return self._rehearsal(at, rollout, now) if due or rollout.phase is not Phase.PAUSED else None
            case _:
                return self._judgement(at, rollout, now) if due else None

    def _history(self, state: State, rollout: Rollout, now: float) -> Judged:
        try:
            reading = read_history(self.metrics, rollout, now)
        except MetricsDown as error:
            return Judged(state, hold("metrics_down", f"metrics system down: {error}", alert=True))
        slow = (
            f"slow means over {reading.edge} ms" if reading.edge else "too few requests to say what is slow"
        )
        return Judged(_with(state, reading), advance("history", f"the stable's history is read; {slow}"))

    def _readiness(self, state: State, rollout: Rollout, now: float, *, due: bool) -> Judged | None:
        learned = self._tick(state, rollout, now)[0] if due else state
        verdict = self._warmth(rollout, now)
        waits = verdict.outcome is Outcome.HOLD or rollout.phase is Phase.PAUSED
        return Judged(learned, verdict) if due or not waits else None

    def _warmth(self, rollout: Rollout, now: float) -> Verdict:
        status = self.workloads.status(rollout.canary)
        seen = f"{status.ready} of {rollout.replicas} pods of {rollout.canary} are ready"
        why = f": {status.message}" if status.message else ""
        if status.ready >= rollout.replicas:
            return advance("ready", seen)
        if now - rollout.phase_since > rollout.profile.ready_s:
            return fail("not_ready", f"after {rollout.profile.ready_s:g} s only {seen}{why}")
        return hold("warming", f"{seen}{why}")

    def _judgement(self, state: State, rollout: Rollout, now: float) -> Judged:
        learned, down = self._tick(state, rollout, now)
        elapsed = None if state.live_since is None else now - state.live_since
        ledger = learned.ledger or Ledger.empty(rollout.profile)
        moment = Moment(now, elapsed, down)
        return Judged(learned, _doubtful(learned, judge(ledger, rollout.profile, learned.stage, moment)))

    def _rehearsal(self, state: State, rollout: Rollout, now: float) -> Judged | None:
        """Pass once the canary is in the routes at weight 0 and its version header leads to it."""
        if state.live_since is None:
            return None
        found = self.pins.reach(rollout.canary)
        if found.answered:
            return Judged(state, advance("rehearsed", "the canary can be reached by its version header"))
        if found.answered is None:
            words = "the canary is in the routes at weight 0; its version header was not tried"
            return Judged(state, advance("rehearsed", f"{words}: {found.words}"))
        late = now - rollout.phase_since > rollout.profile.ready_s
        words = f"a request with {rollout.canary} in its version header did not reach it: {found.words}"
        return Judged(state, hold("canary_unreached", words, alert=late))

    def _tick(self, state: State, rollout: Rollout, now: float) -> tuple[State, str]:
        """Return the state with one more tick of evidence, and why there was none."""
        if state.ledger is None or state.cursor is None:
            return state, ""
        reading = Measured(state.ledger, state.cursor, rollout.edge)
        try:
            return _with(state, read_tick(self.metrics, rollout, state.stage, reading, now)), ""
        except MetricsDown as error:
            return state, error.seen


def _is_due(state: State, rollout: Rollout, now: float) -> bool:
    """Tell whether a new tick of the clock has begun; so it has when the clock was set back.

    Ticks lie on the same grid for all rollouts, so that many can share one reading of the metrics.
    """
    tick_s = rollout.profile.tick_s
    return state.ticked_at is None or now // tick_s != state.ticked_at // tick_s


def _undisputed(state: State, rollout: Rollout, now: float) -> Verdict:
    """Ask nothing of the evidence: a person wants all traffic on the canary; only pods and route count."""
    if rollout.acting is Phase.PENDING:
        return advance("ordered", "nothing is compared: a person wants all traffic there at once")
    if state.live_since is None:
        verdict = hold(UNPROVED, f"the gateway has not proved yet that {rollout.weight} % is live")
        return _doubtful(state, verdict)
    elapsed = now - state.live_since
    if elapsed < rollout.profile.bake_s:
        words = f"kept warm for a change of mind: {elapsed:.0f} of {rollout.profile.bake_s:g} s"
        return hold("bake", f"all traffic is on {rollout.canary}; {rollout.stable} is {words}")
    return advance("baked", f"all traffic is on {rollout.canary}, as ordered; nothing was judged")


def _doubtful(state: State, verdict: Verdict) -> Verdict:
    """Add why the weight is not proved to a verdict that waits for it."""
    if verdict.reason != UNPROVED or state.doubt is None:
        return verdict
    sentence = f"{verdict.sentence}: {state.doubt.words}"
    return replace(verdict, sentence=sentence, alert=verdict.alert or state.doubt.alert)


def _with(state: State, reading: Measured) -> State:
    rollout = state.rollout
    return replace(
        state,
        ledger=reading.ledger,
        cursor=reading.cursor,
        rollout=None if rollout is None else replace(rollout, edge=reading.edge),
    )
