"""Which metrics have a part in the evidence of harm: those that somebody counts.

The total is EV = 0.1 E_breaker + 0.9 sum_m w_m E_m, the weights w_m adding up to one. At the k-th fresh tick
mass_k, the prior probability that the canary turns bad then, is placed on every metric: L_m <- (L_m + mass_k)
e_mk. A metric that nobody counts has e_mk = 1 for ever: its w_m would be placed for nothing, and all other
evidence be weaker by 1 / (1 - w_m). So its part goes to those that are counted, in proportion to weight:

    L_m <- (L_m + s_mk mass_k) e_mk,    sum_m w_m s_mk = 1,    s_mk = 0 where nothing is counted

s_mk is fixed before the data that it weighs: it depends on former ticks alone, not even on how many requests
this tick has, since whether one metric has any may depend on how another one went (no answer, no confidence).
Hence, if the canary is fine, E[e_mk | the past] <= 1 gives

    E[sum_m w_m L_m | the past] <= sum_m w_m L_m of the tick before + mass_k

and sum_m w_m L_m + (1 - the mass placed so far) is a supermartingale that begins at one: it passes 100 with a
probability of at most 1 %, also where a metric begins to be counted in the middle of a rollout. What has been
placed stays where it is; from then on the newcomer has its share of what is placed, most of it at the next
weight. Shares of the whole total that changed then would lift a total below one, and spend more than the 1 %.
"""

from collections.abc import Sequence

from canary.judge.evidence import MetricEvidence
from canary.judge.policy import Metric

Row = tuple[Metric, MetricEvidence]


def stakes(metrics: Sequence[Metric], known: Sequence[MetricEvidence]) -> tuple[float, ...]:
    """Return s_mk of the next tick for every metric, from what is known before it.

    Before anything is counted, the metrics share that must be proved whatever happens. Mirrored ones have
    masses of their own, so they neither give nor take.
    """
    compared = [row for row in zip(metrics, known, strict=True) if not row[0].mirrored]
    sharing = [metric.name for metric, _ in _sharing(compared)]
    whole = sum(metric.weight for metric, _ in compared)
    part = sum(metric.weight for metric, _ in compared if metric.name in sharing)
    return tuple(1.0 if metric.mirrored else whole / part * (metric.name in sharing) for metric in metrics)


def _sharing(compared: Sequence[Row]) -> Sequence[Row]:
    counted = [row for row in compared if row[1].counted]
    due = [row for row in compared if row[0].required and not row[0].if_counted]
    return counted or due or compared
