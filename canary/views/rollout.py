"""The state as people and programs read it: plain JSON values."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from canary.judge.verdict import Verdict
from canary.rollout.confirmation import Confirmation
from canary.rollout.decision import TURNS, Decision
from canary.rollout.history import Entry
from canary.rollout.model import Rollout
from canary.rollout.state import State


def status_view(state: State | None, controller: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the status: the stable version, the last or present rollout, the last decision."""
    if state is None:
        return {"stable": None, "weight": 0, "rollout": None, "decision": None, "controller": controller}
    rollout = state.rollout
    return {
        "stable": state.stable,
        "weight": state.active.weight if state.active else 0,
        "rollout": None if rollout is None else _rollout(state, rollout),
        "decision": None if state.latest is None else entry_view(state.latest),
        "controller": controller,
    }


def entry_view(entry: Entry) -> dict[str, Any]:
    """Return a history entry."""
    seen = asdict(replace(entry, report=None, golden=None))
    del seen["report"], seen["golden"]
    return {**seen, "action": entry.action.value, "numbers": numbers(entry)}


def numbers(said: Entry | Decision | Verdict) -> dict[str, Any]:
    """Return what was measured; nothing if it was said without a measurement."""
    report = asdict(said.report) if said.report else {}
    golden = None if isinstance(said, Verdict) else said.golden
    return report | ({"golden": golden.numbers} if golden else {})


def _rollout(state: State, rollout: Rollout) -> dict[str, Any]:
    turns = [e for e in state.history if e.rollout == rollout.id and e.action in TURNS]
    return {
        "id": rollout.id,
        "stable": rollout.stable,
        "canary": rollout.canary,
        "replicas": rollout.replicas,
        "profile": rollout.profile.name,
        "profile_description": rollout.profile.description,
        "phase": rollout.phase.value,
        "phase_since": rollout.phase_since,
        "paused_in": rollout.paused_in.value if rollout.paused_in else None,
        "weight": rollout.weight,
        "live_since": state.live_since,
        "confirmed_by": _confirmed_by(state),
        "slow_over_ms": rollout.edge,
        "started_at": rollout.started_at,
        "started_by": rollout.started_by,
        "ended_at": rollout.ended_at,
        "ended": rollout.ended,
        "settled": rollout.settled,
        "steps": _steps(rollout),
        "turn": entry_view(turns[-1]) if turns else None,
    }


def _confirmed_by(state: State) -> str | None:
    """Return who says that the split is live: proxies, counts or nobody; None while it is not."""
    if state.live_since is None:
        return None
    return (state.confirmation or Confirmation()).by.value


def _steps(rollout: Rollout) -> list[dict[str, Any]]:
    passed = {record.weight: record for record in rollout.passed}
    return [
        {
            "weight": weight,
            "soak_s": soak,
            "since": passed[weight].since if weight in passed else None,
            "until": passed[weight].until if weight in passed else None,
        }
        for weight, soak in rollout.soaks.items()
    ]
