"""Messages to people when something has happened; sent in the background, tried three times.

The Secret with the address is read again at each try, and each wait is longer: urllib3's Retry knows one
address, and sends the second try at once.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import urllib3

from canary.errors import CanaryError
from canary.resource.gates import Notification, Occasion
from canary.rollout.decision import Action
from canary.rollout.history import Entry
from canary.rollout.model import Phase
from canary.views.rollout import entry_view
from mesh.cluster.api import ClusterApi
from mesh.errors import MeshError

TRIES: Final = 3
TIMEOUT_S: Final = 5.0
OCCASIONS: Final[Mapping[Action, Occasion]] = {
    Action.START: "Started",
    Action.ADVANCE: "Advanced",
    Action.HOLD: "Held",
    Action.PAUSE: "Paused",
    Action.ROLLED_BACK: "RolledBack",
    Action.FAIL: "Failed",
}


def occasion(entry: Entry) -> Occasion | None:
    """Return what a history entry is an occasion of, if of anything."""
    if entry.phase == Phase.PROMOTED and entry.action is Action.ADVANCE:
        return "Promoted"
    if entry.phase == Phase.ROLLED_BACK:  # also where there was no traffic to take back
        return "RolledBack"
    return OCCASIONS.get(entry.action)


def message(place: str, entry: Entry, form: str) -> dict[str, Any]:
    """Return the message in the form that its receiver reads."""
    what = occasion(entry)
    versions = f"{entry.stable} -> {entry.canary}"
    text = f"*{what}* {place}: {versions} at {entry.weight_to} % - {entry.sentence}"
    if form == "slack":
        return {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")}
    known = entry_view(entry)
    return {**known, "occasion": what, "number": entry.rollout, "rollout": place, "text": text}


@dataclass
class Notifier:
    """Sends messages; ``lost`` hears what could not be sent, never the address, which may be secret."""

    api: ClusterApi
    lost: Callable[[str], None]
    wait: Callable[[float], None] = time.sleep
    workers: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "notify"))
    _pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def tell(self, namespace: str, name: str, receivers: tuple[Notification, ...], entry: Entry) -> None:
        """Tell those who want to hear of such an entry."""
        for receiver in receivers:
            if occasion(entry) in receiver.events:
                self.workers.submit(self._send, namespace, name, receiver, entry)

    def close(self) -> None:
        """Send what is left."""
        self.workers.shutdown(wait=True)

    def _send(self, namespace: str, name: str, receiver: Notification, entry: Entry) -> None:
        place = f"{namespace}/{name}"
        body = json.dumps(message(place, entry, receiver.format), ensure_ascii=False).encode()
        why = ""
        for attempt in range(TRIES):
            if attempt:
                self.wait(2.0**attempt)
            why = self._post(namespace, receiver, body)
            if not why:
                return
        self.lost(f"{place}: receiver {receiver.name} did not take the message ({why})")

    def _post(self, namespace: str, receiver: Notification, body: bytes) -> str:
        """Send once; return what went wrong."""
        try:
            url = receiver.url or self._secret(namespace, receiver.secret or "")
            headers = {"Content-Type": "application/json"}
            answer = self._pool.request(
                "POST", url, body=body, headers=headers, timeout=TIMEOUT_S, redirect=False
            )
        except (CanaryError, MeshError) as error:
            return str(error)
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        except (KeyError, ValueError) as error:
            return f"Secret {receiver.secret} holds no address under the key url: {type(error).__name__}"
        return "" if answer.status < 300 else f"HTTP {answer.status}"  # noqa: PLR2004 - no success from there on

    def _secret(self, namespace: str, name: str) -> str:
        path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
        return base64.b64decode(self.api.request("GET", path).body["data"]["url"]).decode().strip()
