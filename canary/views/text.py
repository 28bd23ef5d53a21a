"""Status and history as lines of text."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from canary.judge import formatting
from canary.rollout.confirmation import Source

View = Mapping[str, Any]
ASSUMED: Final = Source.NOBODY.value


def status_lines(status: View, now: float) -> list[str]:
    """Return the status in a few lines; ``now`` is in Unix seconds."""
    rollout = status["rollout"]
    head = [f"stable: {status['stable'] or 'unknown, no controller has run here yet'}"]
    body = ["no rollout so far"] if rollout is None else _rollout_lines(rollout, now)
    return [
        *head,
        *body,
        *_decision_lines(status["decision"], now),
        _controller_line(status["controller"], now),
    ]


def entry_line(entry: View, clock: Callable[[float], str]) -> str:
    """Return a history entry in one line; ``clock`` writes Unix seconds as a time of day."""
    weight = f"{entry['weight_to']:3d} %" if entry["rollout"] else "     "
    return f"{clock(entry['at'])}  {weight}  {entry['action']} ({entry['reason']}): {entry['sentence']}"


def _rollout_lines(rollout: View, now: float) -> list[str]:
    end = f", ended {_ago(rollout['ended_at'], now)}" if rollout["ended"] else ""
    phase = rollout["phase"] + (f" (in {rollout['paused_in']})" if rollout["paused_in"] else "")
    move = f"{rollout['stable']} -> {rollout['canary']}"
    return [
        f"{rollout['id']}: {move}, {phase}, canary at {rollout['weight']} %{end}",
        *(
            ["  that weight is assumed to be live, not proved"]
            if rollout.get("confirmed_by") == ASSUMED
            else []
        ),
        f"  profile {rollout['profile']}: {rollout['profile_description']}",
        *(_step_line(step, rollout, now) for step in rollout["steps"]),
    ]


def _step_line(step: View, rollout: View, now: float) -> str:
    name = f"  {step['weight']:3d} %"
    if step["since"] is None:
        return f"{name}  -"
    end = step["until"] or rollout["ended_at"]
    seconds = formatting.duration(max(0.0, (end or now) - step["since"]))
    return f"{name}  {seconds}" if end else f"{name}  {seconds} so far (at least {step['soak_s']:g} s)"


def _decision_lines(decision: View | None, now: float) -> list[str]:
    if decision is None:
        return []
    return [
        f"last decision ({_ago(decision['at'], now)}): {decision['action']}, {decision['reason']}",
        f"  {decision['sentence']}",
    ]


def _controller_line(controller: View | None, now: float) -> str:
    if controller is None:
        return "controller: has never run here"
    if "generation" in controller:
        return _operator_line(controller)
    state = "runs" if controller["alive"] else "gives no sign of life"
    return f"controller: {state} (process {controller['pid']}, last seen {_ago(controller['at'], now)})"


def _operator_line(operator: View) -> str:
    seen = (
        "has seen the present spec"
        if operator["alive"]
        else f"has not seen generation {operator['generation']} of the spec yet"
    )
    waits = f"; the order `{operator['pending']}` waits for its answer" if operator["pending"] else ""
    suspended = "; spec.suspend is true, so nothing begins" if operator["suspended"] else ""
    problem = f"\n  not ready: {operator['problem']}" if operator["problem"] else ""
    return f"operator: {seen}{waits}{suspended}{problem}"


def _ago(at: float, now: float) -> str:
    return f"{formatting.duration(max(0.0, now - at))} ago"
