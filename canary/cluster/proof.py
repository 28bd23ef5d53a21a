"""The router, and who says that a split has reached the proxies.

The API server having a route says nothing of the proxies. So they are asked: each answers a request of ours
with the split that it holds (`mesh.istio.asked_route`). Who holds another one is waited for, however long
that takes. Where one cannot be asked, the proxies' counts decide (`canary.cluster.trial`); and where these
say nothing either, the split is believed after some time, which is then called assumed. Nothing that speaks
against it is ever outweighed by time.

Callers inside the mesh have proxies of their own, and only the operator's own can be asked. So before pods
that had requests may go, the counts are watched for a while, if the route is theirs, too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from canary.cluster.errors import Unreachable
from canary.cluster.trial import Counted, Trial
from canary.controller.ports import Clock, Metrics, NotYetLive
from canary.errors import MetricsDown
from canary.measure.counts import MAX_PERCENT
from canary.rollout.confirmation import Confirmation, Source
from mesh.cluster.errors import ApiDown, KindMissing, NotOurs
from mesh.cluster.router import Applied
from mesh.errors import MeshError
from mesh.model import Split

NAMED: Final = 3
"""How many proxies a sentence names."""


@dataclass(frozen=True)
class Asked:
    """What the proxies said when they were asked for their split.

    ``hold`` are the names of those that hold it; ``others`` says of each that holds another one which;
    ``silent`` says who could not be asked, and why. ``callers`` says that the route is also that of callers
    inside the mesh, whose own proxies nobody can ask.
    """

    hold: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    callers: bool = False


class Proxies(Protocol):
    """Those who carry out a route."""

    def ask(self, split: Split) -> Asked:
        """Return what they say when they are asked whether they hold a split."""


class Routes(Protocol):
    """Reads and writes the route on the cluster."""

    def split(self) -> Split:
        """Return the split that it holds."""

    def apply(self, split: Split) -> Applied:
        """Write a split, unless it is there."""


class NoProxies:
    """Asks nobody."""

    def ask(self, split: Split) -> Asked:
        """Return that nobody was asked."""
        del split
        return Asked(silent=("nobody asks the proxies",))


@dataclass(frozen=True)
class Known:
    """A split that is taken to be live, and who says so."""

    split: Split
    confirmation: Confirmation


@dataclass
class ProvedRouter:
    """Adapts the cluster's router: ``moved`` is told of each change that was written.

    ``known`` is what is live as far as is known from before, ``former`` what was live before that: where the
    route itself does not tell any more, because it was written by a controller that has died. ``drain_s`` is
    how long counts are watched before pods go although all proxies hold the split, and after how long it is
    believed where no version loses its requests; else that takes ``patience_s``. ``hopeless`` says that the
    route is not ours to write.
    """

    router: Routes
    metrics: Metrics
    clock: Clock
    moved: Callable[[Split, Applied], None]
    proxies: Proxies = field(default_factory=NoProxies)
    known: Known | None = None
    former: Split | None = None
    drain_s: float = 10.0
    patience_s: float = 120.0
    hopeless: bool = False
    _trial: Trial | None = None

    def split(self) -> Split:
        """Return the split that the route holds.

        Raises:
            Unreachable: the API is away, which says nothing about the route.
            MeshError: there is none that can be read.
        """
        try:
            return self.router.split()
        except ApiDown as error:
            raise Unreachable(str(error)) from error

    def apply(self, split: Split) -> Confirmation:
        """Write a split, and return who says that the proxies hold it.

        Raises:
            NotYetLive: it is written, and that is not confirmed yet.
            MeshError: it could not be written.
        """
        trial = self._trial
        if trial is None or trial.split != split:
            trial = self._trial = self._prepared(split)
        try:
            applied = self.router.apply(split)
        except (NotOurs, KindMissing):
            self.hopeless = True
            raise
        self.hopeless = False
        if applied.changed or trial.since is None:
            trial.begin(self.clock.now())  # a try that failed does not count
        if applied.changed:
            self.known = None
            self.moved(split, applied)
        if self.known is None or self.known.split != split or self.known.confirmation.assumed:
            self.known = Known(split, self._confirmed(trial))
        return self.known.confirmation

    def _prepared(self, split: Split) -> Trial:
        """Return a trial against the share that the route has now, or half the new one if that is there."""
        try:
            before = self.router.split()
        except MeshError:
            before = self.former or split
        if before == split and self.former is not None:
            before = self.former
        shares = dict(before.shares)
        gone = next((version for version in shares if version != split.stable), "")
        other = split.canary or gone
        old, new = shares.get(other, 0) / MAX_PERCENT, split.weights.canary / MAX_PERCENT
        return Trial(split, other, new / 2 if old == new else old)

    def _confirmed(self, trial: Trial) -> Confirmation:
        asked = self.proxies.ask(trial.split)
        if asked.others or asked.silent:
            trial.agreed_at = None
        if asked.others:
            words = f"{_listed(asked.others)}, which is not {trial.split.text}"
            raise self._not_yet(trial, words, contrary=True)
        if asked.silent or not asked.hold:
            return self._by_counts(trial, _listed(asked.silent) or "no proxy holds this route")
        if trial.leaves and asked.callers:
            self._watch(trial)
        return Confirmation(Source.PROXIES, f"{_listed(asked.hold)} answered with it")

    def _watch(self, trial: Trial) -> None:
        """Let pods stay while requests to them are counted, although all that were asked send none there."""
        now = self.clock.now()
        if trial.agreed_at is None:
            trial.agreed_at, trial.start = now, None
        said = self._weighed(trial, self.drain_s)
        if trial.against:
            words = f"the proxies that could be asked send nothing to {trial.leaves}, and requests still come"
            raise self._not_yet(trial, words, contrary=True)
        if said is Counted.LITTLE and now - trial.agreed_at < self.drain_s:
            words = (
                f"watching for {self.drain_s:g} s whether callers inside the mesh still ask {trial.leaves}"
            )
            raise self._not_yet(trial, words)

    def _by_counts(self, trial: Trial, why_not_asked: str) -> Confirmation:
        """Return what the counts say, since not all proxies could be asked."""
        if not trial.telling:
            return self._believed(trial, f"counts cannot show it; not asked: {why_not_asked}", self.drain_s)
        said = self._weighed(trial, self.patience_s)
        if said is Counted.FOR:
            return Confirmation(Source.COUNTS, f"the proxies' counts show it; not asked: {why_not_asked}")
        if trial.against:
            shown = f"the proxies' counts show that requests go {self._old_way(trial)}"
            words = f"{shown}; not asked: {why_not_asked}"
            raise self._not_yet(trial, words, contrary=True)
        nothing = "there are no metrics" if said is None else "the proxies' counts do not show it"
        words = f"{nothing}; not asked: {why_not_asked}"
        if trial.share and not (trial.heard and said is not None):
            raise self._not_yet(trial, words)  # a canary that nobody has heard of is not believed in
        return self._believed(trial, words, self.patience_s)

    def _believed(self, trial: Trial, words: str, after_s: float) -> Confirmation:
        if trial.waited(self.clock.now()) < after_s:
            raise self._not_yet(trial, words)
        return Confirmation(Source.NOBODY, words)

    def _weighed(self, trial: Trial, quiet_s: float) -> Counted | None:
        """Return what the counts say; None if there are none to be had."""
        sides = tuple(filter(None, (trial.split.stable, trial.other)))
        try:
            seen = self.metrics.counts(sides, self.clock.now(), edge="")
        except MetricsDown:
            return None
        return trial.weigh(seen, quiet_s)

    def _not_yet(self, trial: Trial, words: str, *, contrary: bool = False) -> NotYetLive:
        late = trial.waited(self.clock.now()) >= self.patience_s
        return NotYetLive(words, contrary=contrary, alert=late and (contrary or bool(trial.leaves)))

    @staticmethod
    def _old_way(trial: Trial) -> str:
        return f"to {trial.leaves} still" if trial.leaves else "as they did before"


def _listed(words: Sequence[str]) -> str:
    rest = f" and {len(words) - NAMED} more" if len(words) > NAMED else ""
    return ", ".join(words[:NAMED]) + rest
