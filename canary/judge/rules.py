"""The judge: evidence in, a verdict out; the first of its questions that has an answer decides.

The declared error rates hold because all evidence is made of e-values and because the thresholds never
move: 100 to roll back (a good canary is rolled back in at most one of a hundred rollouts), 20 for a
step and 100 to promote.
"""

from dataclasses import dataclass, replace
from typing import Final

from canary.judge import formatting, sentences
from canary.judge.balance import Balance, fair_balance, lone_pod, whole_balance
from canary.judge.evidence import MetricEvidence
from canary.judge.ledger import Ledger
from canary.judge.policy import Metric, Profile
from canary.judge.report import Grounds
from canary.judge.stage import Stage
from canary.judge.verdict import Verdict, advance, hold, roll_back

ROLL_BACK_AT: Final = 100.0
SUSPECT_AT: Final = 1.0


@dataclass(frozen=True)
class Moment:
    """When the judge is asked: Unix seconds, and the seconds since the weight was proved to be live.

    ``elapsed_s`` is None while there is no such proof. ``down`` is why the metrics system gave no answer,
    "" if it did.
    """

    at: float
    elapsed_s: float | None
    down: str = ""


def judge(ledger: Ledger, profile: Profile, stage: Stage, moment: Moment) -> Verdict:
    """Return the verdict on the evidence so far."""
    case = _Hearing(ledger, profile, stage, moment)
    questions = (
        case.harmful,
        case.silent,
        case.unmeasured,
        case.uncounted,
        case.common_incident,
        case.single_pod,
        case.suspect,
        case.unsoaked,
        case.unproved,
    )
    verdict = next(filter(None, (ask() for ask in questions)), None) or case.cleared()
    return replace(verdict, report=case.report)


class _Hearing:
    """One judgement in the making: each method answers one question, None meaning "nothing to say"."""

    def __init__(self, ledger: Ledger, profile: Profile, stage: Stage, moment: Moment) -> None:
        self.ledger, self.profile, self.stage, self.moment = ledger, profile, stage, moment
        self.fair: Balance = fair_balance(ledger, profile)
        self.grounds = Grounds(ledger, profile, stage, moment.elapsed_s or 0.0)
        self.rows = self.grounds.rows
        self.report = self.grounds.report(self.fair)

    def harmful(self) -> Verdict | None:
        if self.fair.total < ROLL_BACK_AT:
            return None
        if self.fair.breaker >= ROLL_BACK_AT:
            metric, known = next(row for row in self.rows if row[0].breaker)
            return roll_back("breaker", sentences.conviction(metric, known, self.fair.total))
        return roll_back("harm", self._conviction(self.fair))

    def silent(self) -> Verdict | None:
        presence = self.ledger.presence
        if presence.silent_for < self.profile.silent_s:
            return None
        return roll_back("canary_silent", sentences.silence(presence))

    def unmeasured(self) -> Verdict | None:
        seconds = self.ledger.presence.blind_for(self.moment.at)
        alert = seconds >= self.profile.no_data_s
        if self.moment.down:
            return hold("metrics_down", f"metrics system down: {self.moment.down}", alert=alert)
        if seconds < self.profile.grace_s:
            return None
        return hold("no_data", sentences.blindness(seconds), alert=alert)

    def uncounted(self) -> Verdict | None:
        presence = self.ledger.presence
        sides = {"stable": presence.stable_uncounted, "canary": presence.canary_uncounted}
        for name, side in sides.items():
            seconds = side.seconds(self.moment.at)
            if seconds and seconds >= self.profile.grace_s:
                words = sentences.uncounted(name, side, seconds)
                return hold(f"uncounted:{name}", words, alert=seconds >= self.profile.no_data_s)
        return None

    def common_incident(self) -> Verdict | None:
        for metric, known in self.rows:
            if known.watch.incident and not self.stage.alone:
                return hold("common_incident", sentences.incident(metric, known, self.profile.incident_s))
        return None

    def single_pod(self) -> Verdict | None:
        whole = whole_balance(self.ledger, self.profile)
        if whole.total < ROLL_BACK_AT:
            return None
        pod = lone_pod(self._by_name[whole.heaviest][1])
        rest = formatting.evidence(self.fair.total)
        sentence = (
            f"{self._conviction(whole)}; but without pod {pod} it is {rest}: restart or remove that pod"
        )
        return hold("single_pod", sentence, alert=True)

    def suspect(self) -> Verdict | None:
        if self.fair.total < SUSPECT_AT:
            return None
        return hold("suspect", f"{self._conviction(self.fair)}; waiting for more evidence")

    def unsoaked(self) -> Verdict | None:
        elapsed = self.moment.elapsed_s
        if elapsed is None:
            return hold(
                "weight_unproved", f"the gateway has not proved yet that {self.stage.weight} % is live"
            )
        if self.stage.baking:
            return self._unbaked(elapsed)
        if self.stage.rehearsing:
            soak, what = self.profile.shadow.duration_s, sentences.rehearsal(self.stage)
        else:
            soak, what = self.profile.steps[self.stage.step].soak_s, f"{self.stage.weight} %"
        if elapsed >= soak:
            return None
        return hold("soak", f"{what} for {elapsed:.0f} of at least {soak:g} s")

    def unproved(self) -> Verdict | None:
        needs = ((name, metric.needed) for name, metric in self.report.metrics.items())
        return next((hold(f"collecting:{name}", need.sentence) for name, need in needs if need), None)

    def cleared(self) -> Verdict:
        if self.stage.baking:
            return advance("baked", f"{sentences.bake(self.stage)}; {self._comparison()}")
        claims = ((metric, self.grounds.proof(metric, known), known) for metric, known in self.rows)
        proofs = [sentences.proof(metric, claim, known) for metric, claim, known in claims if claim]
        if self.stage.rehearsing:
            return advance("rehearsed", "; ".join(proofs) or sentences.rehearsal(self.stage))
        return advance("promote" if self.stage.last else "advance", "; ".join(proofs))

    def _unbaked(self, elapsed: float) -> Verdict | None:
        if elapsed < self.profile.bake_s:
            return hold("bake", f"{sentences.bake(self.stage)}, {elapsed:.0f} of {self.profile.bake_s:g} s")
        if not any(known.step.canary.requests for known in self.ledger.metrics):
            return hold(
                "collecting:bake",
                f"no request was answered at {self.stage.weight} %: no data is never success",
            )
        return None

    def _conviction(self, balance: Balance) -> str:
        metric, known = self._by_name[balance.heaviest]
        return sentences.conviction(metric, known, balance.total)

    def _comparison(self) -> str:
        rows = ((metric, known) for metric, known in self.rows if known.counted)
        return "; ".join(
            sentences.comparison(metric, known.step, known.dispersion.stable_rate) for metric, known in rows
        )

    @property
    def _by_name(self) -> dict[str, tuple[Metric, MetricEvidence]]:
        return {metric.name: (metric, known) for metric, known in self.rows}
