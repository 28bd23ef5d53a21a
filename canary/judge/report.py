"""What a verdict rests on: counts and evidence of every metric, and what is still needed.

Programs read it as the JSON object ``numbers`` of a decision, under the names that the fields have here.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from canary.judge import formatting, sentences
from canary.judge.balance import Balance
from canary.judge.claims import Claim, claims, forecast, granted, must_be_proved
from canary.judge.evidence import MetricEvidence, Sample
from canary.judge.ledger import Ledger
from canary.judge.policy import Metric, Profile
from canary.judge.stage import Stage


@dataclass(frozen=True)
class Proof:
    """That the canary is not worse than a margin (in words): the evidence, and how much is enough."""

    margin: str
    evidence: float
    enough: float


@dataclass(frozen=True)
class Need:
    """What a metric still needs, in a sentence too.

    ``requests`` are canary requests (None: at these rates no number is enough), ``seconds`` is how long they
    take at the present rate (None: none come). ``left_s`` is after how many seconds something that is proved
    already will do (None: nothing is).
    """

    requests: int | None
    seconds: float | None
    sentence: str
    left_s: float | None = None


@dataclass(frozen=True)
class MetricReport:
    """One metric: its part of the evidence of harm, counts of this step and of the whole rollout, claims.

    ``phi`` is by what its evidence is divided because bad events cluster, ``incident`` whether the stable
    itself goes bad. ``needed`` is None if nothing is: it is proved, or need not be.
    """

    evidence: float
    phi: float
    incident: bool
    step: Sample
    rollout: Sample
    safe: tuple[Proof, ...]
    needed: Need | None = None

    @property
    def safest(self) -> float:
        """The most evidence that there is in the canary's favour."""
        return max((proof.evidence for proof in self.safe), default=0.0)

    @property
    def counted(self) -> bool:
        """Whether anything was counted since the rollout began."""
        return bool(self.rollout.canary.requests or self.rollout.stable.requests)


@dataclass(frozen=True)
class Report:
    """All metrics by name. ``evidence`` is the total of harm, ``breaker`` the breaker's part of it.

    ``weight`` is the canary's per cent, ``ticks`` the number of fresh measurements since the first weight.
    """

    evidence: float
    breaker: float
    weight: int
    ticks: int
    metrics: Mapping[str, MetricReport]


@dataclass(frozen=True)
class Grounds:
    """All that a judgement rests on; ``elapsed_s`` is for how many seconds the weight is known to be live."""

    ledger: Ledger
    profile: Profile
    stage: Stage
    elapsed_s: float

    @property
    def rows(self) -> list[tuple[Metric, MetricEvidence]]:
        """The metrics, and what is known of each."""
        return list(zip(self.profile.metrics, self.ledger.metrics, strict=True))

    def claims(self, metric: Metric, known: MetricEvidence) -> tuple[Claim, ...]:
        """Return what may be proved of a metric; in the bake nothing is."""
        return () if self.stage.baking else claims(known, metric, self.profile, self.stage)

    def proof(self, metric: Metric, known: MetricEvidence) -> Claim | None:
        """Return the claim that lets the canary move on, if it must be proved and is."""
        due = must_be_proved(metric, known, self.stage)
        return granted(self.claims(metric, known), self.elapsed_s) if due else None

    def report(self, balance: Balance) -> Report:
        """Return the report."""
        metrics = {m.name: self._metric(m, known, balance.harm[m.name]) for m, known in self.rows}
        return Report(balance.total, balance.breaker, self.stage.weight, self.ledger.ticks, metrics)

    def _metric(self, metric: Metric, known: MetricEvidence, harm: float) -> MetricReport:
        return MetricReport(
            evidence=harm,
            phi=known.phi(self.profile.phi_max),
            incident=known.watch.incident,
            step=known.step,
            rollout=known.rollout,
            safe=tuple(Proof(str(c.margin), c.value, c.enough) for c in self.claims(metric, known)),
            needed=self._need(metric, known),
        )

    def _need(self, metric: Metric, known: MetricEvidence) -> Need | None:
        """Return what the claim lacks that comes true first; the better one if the other only waits."""
        wanted = self.claims(metric, known)
        if not wanted or not must_be_proved(metric, known, self.stage) or self.proof(metric, known):
            return None
        waiting = next((claim for claim in wanted if claim.proved), None)
        open_ones = wanted[:1] if waiting else wanted
        foreseen = [(c, forecast(c, known, self.stage, self.profile.phi_max)) for c in open_ones]
        claim, soonest = min(foreseen, key=lambda pair: pair[1].requests if pair[1] else math.inf)
        requests, seconds = (soonest.requests, soonest.seconds) if soonest else (None, None)
        sentence = sentences.need(metric, claim, soonest)
        if waiting is None:
            return Need(requests, seconds, sentence)
        left = waiting.valid_from_s - self.elapsed_s
        late = f"proved not worse than {waiting.margin}, which is enough in {formatting.duration(left)}"
        return Need(requests, seconds, f"{sentence}; {late}", left)
