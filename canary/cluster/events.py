"""Kubernetes Events: one for each transition, with a typed reason; losing one never stops anything."""

import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from canary.errors import CanaryError
from canary.rollout.decision import Action
from canary.rollout.history import Entry
from canary.rollout.model import Phase
from mesh.cluster.api import ClusterApi
from mesh.errors import MeshError

COMPONENT: Final = "bertmesh-controller"
MAX_MESSAGE: Final = 1024
REPEAT_S: Final = 300.0
REASONS: Final[Mapping[Action, str]] = {
    Action.START: "RolloutStarted",
    Action.HOLD: "RolloutHeld",
    Action.ADVANCE: "RolloutAdvanced",
    Action.ROLL_BACK: "RollingBack",
    Action.ROLLED_BACK: "RolledBack",
    Action.FAIL: "RolloutFailed",
    Action.PAUSE: "RolloutPaused",
    Action.RESUME: "RolloutResumed",
    Action.PUT_BACK: "RoutePutBack",
    Action.ASSUME: "WeightAssumed",
}
PROMOTED: Final = "RolloutPromoted"
ROUTE_CHANGED, WEIGHT_MOVED = "RouteChangedByOther", "WeightMoved"
SPEC_REFUSED, COMMAND_REFUSED, POLICY_EDITED = "SpecRefused", "CommandRefused", "PolicyEdited"
BAD: Final = frozenset({Action.ROLL_BACK, Action.ROLLED_BACK, Action.FAIL, Action.PUT_BACK, Action.ASSUME})


def reason_of(entry: Entry) -> str:
    """Return the typed reason of a history entry."""
    if entry.phase == Phase.PROMOTED and entry.action is Action.ADVANCE:
        return PROMOTED
    return REASONS[entry.action]


def is_warning(entry: Entry) -> bool:
    """Tell whether a person should look."""
    return entry.alert or entry.action in BAD


class Events:
    """Writes Events about one object; ``lost`` is told what could not be written."""

    def __init__(
        self, api: ClusterApi, about: Mapping[str, Any], now: Callable[[], float], lost: Callable[[str], None]
    ) -> None:
        self._api, self._now, self._lost = api, now, lost
        self._told: dict[tuple[str, str], float] = {}
        metadata = about["metadata"]
        self._object = {
            "apiVersion": about["apiVersion"],
            "kind": about["kind"],
            **{key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata},
        }

    def entry(self, entry: Entry) -> None:
        """Tell of a history entry, once it is stored."""
        self.tell(reason_of(entry), entry.sentence, warning=is_warning(entry))

    def tell(self, reason: str, message: str, *, warning: bool = False) -> None:
        """Write one Event, unless the same was said within the last minutes."""
        if self._now() - self._told.get((reason, message), float("-inf")) < REPEAT_S:
            return
        self._told[reason, message] = self._now()
        namespace, name = self._object["namespace"], self._object["name"]
        time = datetime.fromtimestamp(self._now(), UTC)
        second = time.strftime("%Y-%m-%dT%H:%M:%SZ")
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{name[:200]}.{uuid.uuid4().hex[:16]}", "namespace": namespace},
            "involvedObject": self._object,
            "reason": reason,
            "message": message[:MAX_MESSAGE],
            "type": "Warning" if warning else "Normal",
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "reportingInstance": COMPONENT,
            "action": reason,
            "eventTime": time.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "firstTimestamp": second,
            "lastTimestamp": second,
            "count": 1,
        }
        try:
            answer = self._api.request("POST", f"/api/v1/namespaces/{namespace}/events", body=body)
        except (CanaryError, MeshError) as error:
            self._lost(f"Event {reason} for {namespace}/{name} is lost: {error}")
            return
        if not answer.ok:
            self._lost(f"Event {reason} for {namespace}/{name} is lost: {answer.code} {answer.reason}")
