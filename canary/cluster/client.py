"""The client of a cluster: reads a ModelRollout's status, and leaves orders in its annotation.

One way for all orders: the annotation `bertmesh.dev/command`, written only onto the resourceVersion that was
read; nothing else is touched, for the spec belongs to who applies it. The operator stores its answer with its
state and takes the annotation away; an abort may replace another order that still waits.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from canary.cluster.annotation import COMMAND, written
from canary.cluster.api import ModelRollouts
from canary.cluster.by_hand import overridden, standing
from canary.cluster.errors import (
    Contended,
    NotUsable,
    OperatorGone,
    OperatorSilent,
    OrderOvertaken,
    OrderPending,
)
from canary.cluster.store import Notes, decode
from canary.controller.client import RolloutClient
from canary.errors import CanaryError
from canary.resource.spec import GROUP, KIND
from canary.rollout.commands import Command, OrderResult
from canary.rollout.state import State
from mesh.cluster.errors import ApiDown

ANSWER_WITHIN_S: Final = 30.0
GONE_AFTER_S: Final = 120.0
DOWN_S: Final = 60.0
TRIES: Final = 50
POLL_S: Final = 0.25
HINDRANCES: Final = frozenset(
    {"InvalidSpec", "NotSupported", "StableNotObeyed", "DeploymentMissing", "StateCorrupt"}
)
"""Reasons for which a ModelRollout is not Ready and waits for a person."""

Document = dict[str, Any]


class ClusterClient(RolloutClient):
    """One ModelRollout. ``document`` is the resource as it was read last."""

    follow_s = 1.0

    def __init__(
        self,
        rollouts: ModelRollouts,
        name: str,
        *,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(now=now, sleep=sleep)
        self._rollouts = rollouts
        self.name = name
        self.document: Document = {}
        self._down_since: float | None = None
        self._changed: tuple[str, float] = ("", 0.0)

    @property
    def place(self) -> str:
        """Namespace and name."""
        return f"{self._rollouts.namespace}/{self.name}"

    @property
    def label(self) -> str:
        """Kind and name, as `kubectl get -o name` prints them."""
        return f"{KIND.lower()}.{GROUP}/{self.name}"

    def read(self) -> Document:
        """Return the resource as it is now.

        Raises:
            NoSuchModelRollout: it is not there.
            ClusterError: the API is down or refuses.
        """
        self.document = self._rollouts.get(self.name)
        version = self.document["metadata"]["resourceVersion"]
        if version != self._changed[0]:
            self._changed = (version, self._now())
        return self.document

    def state(self) -> State | None:
        """Return the state that the operator stored last, or None; raises as `read` does.

        An API that was there a moment ago may be away for a minute: what was read last is returned then.
        """
        try:
            self.read()
            self._down_since = None
        except ApiDown:
            self._down_since = self._down_since or self._now()
            if not self.document or self._now() - self._down_since > DOWN_S:
                raise
        return self._decoded()

    def controller(self) -> Mapping[str, Any]:
        """Return how far the operator has seen the resource, and what stands in its way."""
        metadata, status = self.document["metadata"], self.document.get("status", {})
        observed = status.get("observedGeneration")
        ready = _condition(status, "Ready")
        hindered = ready.get("status") == "False" and ready["reason"] in HINDRANCES
        return {
            "alive": observed == metadata.get("generation"),
            "generation": metadata.get("generation"),
            "observed_generation": observed,
            "pending": metadata.get("annotations", {}).get(COMMAND),
            "problem": ready["message"] if hindered else None,
            "suspended": bool(self.spec().get("suspend")),
        }

    def gone(self, waited_s: float) -> CanaryError | None:
        """Return an error once nothing was written for two minutes."""
        silent_s = min(waited_s, self._now() - self._changed[1])
        return OperatorGone(self.place, silent_s) if silent_s > GONE_AFTER_S else None

    def send(
        self, command: Command, *, within_s: float | None = None, wanted: Mapping[str, str] | None = None
    ) -> OrderResult:
        """Leave an order, with what a start wants (`annotation.FIELDS`), and wait for the answer.

        Raises:
            OrderPending: another one is in the way.
            OrderOvertaken: somebody else took ours away.
            OperatorSilent, NotUsable: no answer in time; but for an abort, it has been taken back.
            ClusterError: the API is down or refuses.
        """
        patience = ANSWER_WITHIN_S if within_s is None else within_s
        deadline, text = self._now() + patience, written(command, wanted)
        self._leave(command.verb, text, deadline)
        answer = self.awaited(command, text, deadline)
        if answer is None:
            problem, fate = self.controller()["problem"], self._fate(command)
            raise (
                NotUsable(self.place, problem, fate)
                if problem
                else OperatorSilent(self.place, patience, fate)
            )
        return answer

    def spec(self) -> Document:
        """Return the spec as it holds, with what people ordered, of the resource as it was read last."""
        spec: Document = self.document["spec"]
        kept = self._kept()
        return overridden(spec, standing(spec, kept[1].by_hand)) if kept else spec

    def awaited(self, command: Command, text: str, deadline: float) -> OrderResult | None:
        """Return the answer to an order left as ``text``, or None at the ``deadline`` (Unix seconds).

        Raises:
            OrderOvertaken: it is not there any more.
            ClusterError: the API is down or refuses.
        """
        while True:
            state = self.state()
            given = state.answer_to(command.id) if state else None
            if given is not None:
                return given
            seen = self._annotation()
            if seen != text:
                raise OrderOvertaken(self.place, command.verb, seen or "")
            if self._now() >= deadline:
                return None
            self._sleep(POLL_S)

    def _leave(self, verb: str, text: str, deadline: float) -> None:
        """Write the annotation onto the resource as it is, again and again if that changes meanwhile."""
        for _ in range(TRIES):
            self._await_turn(verb, deadline)
            version = self.document["metadata"]["resourceVersion"]
            head = {"resourceVersion": version, "annotations": {COMMAND: text}}
            if self._rollouts.patch(self.name, {"metadata": head}):
                return
        raise Contended(self.place)

    def _await_turn(self, verb: str, deadline: float) -> None:
        """Read the resource until no other order waits in it; an abort waits for none."""
        self.read()
        while verb != "abort" and (other := self._annotation()) is not None:
            if self._now() >= deadline:
                raise OrderPending(self.place, other)
            self._sleep(POLL_S)
            self.read()

    def _fate(self, command: Command) -> str:
        """Take an order back that nobody took up; an abort stays, for it is right whenever it is read."""
        if command.verb == "abort":
            return "the order stands and is obeyed as soon as there is one"
        version = self.document["metadata"]["resourceVersion"]
        gone = {"metadata": {"resourceVersion": version, "annotations": {COMMAND: None}}}
        taken = self._rollouts.patch(self.name, gone) is not None
        return "the order was taken back" if taken else "it was begun and may still take effect"

    def _annotation(self) -> str | None:
        found: str | None = self.document["metadata"].get("annotations", {}).get(COMMAND)
        return found

    def _decoded(self) -> State | None:
        kept = self._kept()
        return kept[0] if kept else None

    def _kept(self) -> tuple[State, Notes] | None:
        judge = self.document.get("status", {}).get("judge")
        return decode(self.place, judge) if judge else None


def _condition(status: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    return next((each for each in status.get("conditions", ()) if each["type"] == kind), {})
