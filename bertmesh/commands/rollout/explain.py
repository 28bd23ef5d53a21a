"""`bertmesh rollout explain`: why the last verdict was given, on which numbers, from which queries."""

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from bertmesh.commands.output import clock, emit, form_option
from bertmesh.commands.target import Target, name_argument, target_options
from bertmesh.errors import BertmeshError
from canary.errors import NoRollout
from canary.judge import formatting
from canary.prometheus import promql
from canary.resource.effective import effective
from canary.rollout.state import State
from canary.settings import Settings
from canary.views.findings import Evidence, MetricView, evidence
from canary.views.rollout import entry_view
from canary.views.runs import Run, runs
from canary.views.scale import Gauge
from canary.views.text import entry_line


class UnknownRollout(BertmeshError):
    """A rollout that is not, or no longer, kept."""

    def __init__(self, seen: str, known: list[str]) -> None:
        super().__init__(f"there is no rollout {seen!r}; rollouts that are kept: {', '.join(known)}")


@click.command()
@target_options
@form_option()
@name_argument
@click.option("--rollout", "chosen", help="One of `history`, such as rollout-2 [default: the last].")
def explain(target: Target, output: str, name: str | None, chosen: str | None) -> None:
    """Say why the last verdict was given: the numbers of every metric, and the queries behind them."""
    client = target.client(name)
    state = client.state()
    run = _choose(state, chosen)
    settings = target.settings(os.environ, client)
    shared = target.cluster.wants() if target.remote else ()
    document = explanation(run, evidence(run), settings, shared)
    emit(document, output, lambda: _text(run, document))


def explanation(
    run: Run, found: Evidence | None, settings: Settings, shared: Sequence[promql.RolloutQuery] = ()
) -> dict[str, Any]:
    """Return the explanation as JSON values; ``found`` is None before the first judgement.

    ``shared`` is what all rollouts of the namespace ask for, which the operator reads at once.
    """
    judged, profile = run.judged, run.rollout.profile if run.rollout else None
    return {
        "rollout": run.id,
        "stable": run.stable,
        "canary": run.canary,
        "phase": run.phase.value,
        "decision": entry_view(run.turn),
        "judged_at": judged.at if judged else None,
        # What holds: what was stated, and the profile's values for the rest.
        "policy": {"profile": profile.name, **effective(profile)} if profile else {},
        "evidence": _evidence(found) if found else None,
        "queries": queries(run, settings, shared),
    }


def queries(run: Run, settings: Settings, shared: Sequence[promql.RolloutQuery] = ()) -> dict[str, str]:
    """Return the PromQL of every measurement: raw counters, from which the judge takes differences itself."""
    edge = run.rollout.edge if run.rollout else None
    want = promql.RolloutQuery(settings.service, (run.stable, run.canary), edge)
    asked = promql.questions([want], settings.window_s)
    past, _ = promql.history(promql.RolloutQuery(settings.service, (run.stable,)))
    return {
        "counters": asked.counters,
        "counters of the pods themselves": asked.own,
        "starts of the pods": asked.started,
        "the stable's history, once at the beginning": past,
        **_shared_queries(shared, settings),
    }


def _shared_queries(shared: Sequence[promql.RolloutQuery], settings: Settings) -> dict[str, str]:
    """Return the queries that are really sent where many rollouts share one reading."""
    if len(shared) <= 1:
        return {}
    asked = promql.questions(shared, settings.window_s)
    whose = f"as the operator asks for all {len(shared)} rollouts under way in the namespace"
    return {f"counters, {whose}": asked.counters, f"counters of the pods, {whose}": asked.own}


def _choose(state: State | None, name: str | None) -> Run:
    known = runs(state) if state else ()
    if not known:
        raise NoRollout(verb="explain")
    found = [run for run in known if name in {None, run.id}]
    if not found:
        raise UnknownRollout(name or "", [run.id for run in known])
    return found[0]


def _evidence(found: Evidence) -> dict[str, Any]:
    return {
        "harm": _gauge(found.total),
        "breaker": found.breaker,
        "needed": asdict(found.needed),
        "metrics": {it.name: _metric(it) for it in found.findings},
    }


def _metric(it: MetricView) -> dict[str, Any]:
    return {
        "counts": it.bad,
        "canary": {"requests": it.canary.requests, "bad": it.canary.bad, "share": it.canary.share},
        "stable": {"requests": it.stable.requests, "bad": it.stable.bad, "share": it.stable.share},
        "harm": _gauge(it.harm),
        "safe": [_gauge(claim) for claim in it.safe],
        "divided_by": it.phi,
        "incident": it.incident,
        "need": it.need,
    }


def _gauge(gauge: Gauge) -> dict[str, Any]:
    return {"what": gauge.label, "value": gauge.value, "enough": gauge.enough, "reads": gauge.tone}


def _text(run: Run, document: dict[str, Any]) -> str:
    head = f"{run.id}: {run.stable} -> {run.canary}, {run.phase.value}, canary at {run.weight} %"
    lines = [head, f"  {entry_line(document['decision'], clock).strip()}", ""]
    lines += _evidence_lines(document["evidence"])
    if document["policy"]:
        lines += ["", "policy (a metric: tolerated; tight; stated margin):"]
        lines += [f"  {name}: {value}" for name, value in document["policy"].items()]
    lines += ["", "queries (Prometheus; counters as they are, compared from one measurement to the next):"]
    for what, query in document["queries"].items():
        lines += [f"  {what}:", f"    {query}"]
    return "\n".join(lines)


def _evidence_lines(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return ["nothing has been judged yet"]
    harm, needed = found["harm"], found["needed"]
    total, breaker = formatting.evidence(harm["value"]), formatting.evidence(found["breaker"])
    lines = [
        f"evidence of harm: {total} ({harm['enough']:g} sends all traffic back); the breaker adds {breaker}",
        f"still needed: {needed['amount']} ({needed['words']})",
    ]
    for name, it in found["metrics"].items():
        lines += _metric_lines(name, it)
    return lines


def _metric_lines(name: str, it: dict[str, Any]) -> list[str]:
    title = f"{name}: {it['counts']}" if it["counts"] else name
    if not any(it[side]["requests"] for side in ("canary", "stable")):
        return ["", title, "  nothing has been counted of either version"]
    sides = [
        f"  {side}: {it[side]['bad']:,} of {formatting.count(it[side]['requests'])} requests, "
        f"{it[side]['share']}"
        for side in ("canary", "stable")
    ]
    claims = [
        f"  safe: {claim['what']}: {formatting.evidence(claim['value'])} of {claim['enough']:g}"
        f"{', proved' if claim['reads'] == 'proved' else ''}"
        for claim in it["safe"]
    ]
    why = " because bad events cluster" if it["divided_by"] > 1 else ": bad events do not cluster"
    total = formatting.evidence(it["harm"]["value"])
    harm = f"  harm: {total} of the total (divided by {it['divided_by']:.2g}{why})"
    notes = ["  a common incident is on: nothing is blamed on the canary"] if it["incident"] else []
    return ["", title, *sides, harm, *claims, *notes, *([f"  {it['need']}"] if it["need"] else [])]
