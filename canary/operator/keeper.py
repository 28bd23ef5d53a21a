"""Keeps one ModelRollout: reads it, lets its engine make a pass, and lets nothing that goes wrong get out."""

import threading
from typing import Any, Final

from canary.cluster.errors import StatusConflict
from canary.cluster.events import SPEC_REFUSED, Events
from canary.cluster.store import StatusCorrupt, decode, put_status
from canary.errors import CanaryError
from canary.operator.case import problem_of, take_up
from canary.operator.engine import Engine
from canary.operator.errors import Deposed
from canary.operator.tools import Adapters
from canary.resource.errors import InvalidResource
from canary.resource.spec import API_VERSION, GROUP, KIND
from canary.views.status import Circumstances, Obstacle, unusable
from mesh.cluster.api import Conflicted
from mesh.errors import MeshError

Document = dict[str, Any]


UNPROVED: Final = "nothing proves that its traffic is on the stable version; its pods stay as they are"
LOOK_S: Final = 1.0
"""Between two looks at a resource whose next change is not known."""


class RolloutKeeper:
    """One resource by its name; passes never overlap, and nothing that goes wrong in one gets out of it.

    ``gone`` says that there is no such resource (any more).
    """

    def __init__(self, tools: Adapters, namespace: str, name: str) -> None:
        self._tools, self.namespace, self.name = tools, namespace, name
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._engine: Engine | None = None
        self._next_at = float("-inf")
        self._trouble = ""
        self._leaves = False
        self.gone = False

    @property
    def due(self) -> bool:
        """Whether it is time for a pass; on the way out they are made by `leave` alone."""
        woken = self._changed.is_set() or self._tools.monotonic() >= self._next_at
        return woken and not self._leaves

    def wake(self) -> None:
        """Let a pass be due: the resource is new, or has changed."""
        self._changed.set()

    def attend(self) -> None:
        """Make a pass, if one is due and none is being made."""
        if not self.due or not self._lock.acquire(blocking=False):
            return
        try:
            self._changed.clear()
            self._rest(LOOK_S)
            with self._tools.telemetry.timed():
                self._guarded()
        finally:
            self._lock.release()

    def leave(self, since_s: float) -> bool:
        """Send all traffic to the stable; tell whether the resource may go.

        After ``farewell_s`` of trying it may, whatever is left: a resource that cannot be deleted is worse.
        """
        self._leaves = True
        with self._lock:
            try:
                engine = self._take_up()
                late = since_s > self._tools.timing.farewell_s
                home = engine is None or engine.leave()
                gone = home or late
                if not home and late:
                    self._tools.warn(f"{self.namespace}/{self.name} goes: {UNPROVED}")
            except (InvalidResource, StatusCorrupt) as error:
                self._tools.warn(
                    f"{self.namespace}/{self.name} goes, and nothing is known of its route: {error}"
                )
                gone = True
            except (CanaryError, MeshError, Conflicted) as error:
                self._engine = None
                self._tools.warn(f"{self.namespace}/{self.name} cannot go yet: {error}")
                gone = since_s > self._tools.timing.farewell_s and not isinstance(error, Deposed)
            if gone:
                self._tools.telemetry.forget(self.namespace, self.name)
            return gone

    def _guarded(self) -> None:
        """Make a pass; after any error everything is read again."""
        try:
            self._pass()
            self._trouble = ""
        except (StatusConflict, Conflicted, Deposed):
            self._engine = None  # somebody else was quicker, or is the leader now
        except (InvalidResource, StatusCorrupt) as error:
            self._engine = None
            self._complain(str(error))
            self._rest(self._tools.timing.idle_s)  # only an edit can help, and that wakes us
        except (CanaryError, MeshError) as error:
            self._engine = None
            self._complain(str(error))
        except Exception as error:  # noqa: BLE001 - a mistake about one resource must not stop the others
            self._engine = None
            self._complain(f"{type(error).__name__}: {error} (this is a mistake in bertmesh)")

    def _pass(self) -> None:
        engine = self._take_up()
        self.gone = engine is None
        if engine is None:
            self._tools.telemetry.forget(self.namespace, self.name)
            return
        engine.work()
        self._rest(self._pause(engine))

    def _pause(self, engine: Engine) -> float:
        """Return for how long nothing is to be done, as far as is known."""
        if engine.quiet:
            return self._tools.timing.idle_s
        return LOOK_S if engine.tick_s is None else engine.tick_s - self._tools.clock.now() % engine.tick_s

    def _take_up(self) -> Engine | None:
        """Read the resource; return the engine that is right for it, or None if there is nothing to do."""
        live = self._tools.api.get(
            {
                "apiVersion": f"{GROUP}/{API_VERSION}",
                "kind": KIND,
                "metadata": {"name": self.name, "namespace": self.namespace},
            }
        )
        if live is None:
            return None
        known, judge = self._engine, live.get("status", {}).get("judge")
        if known is not None and known.store.judge == judge and known.fits(live) and not known.outdated:
            known.store.document = live
            return known
        try:
            kept = decode(f"{self.namespace}/{self.name}", judge) if judge else None
            case = take_up(live, kept)
        except StatusCorrupt as error:
            self._refuse(live, Obstacle("StateCorrupt", str(error)))
            raise
        except InvalidResource as error:
            self._refuse(live, problem_of(error))
            raise
        self._engine = Engine(self._tools, live, case, kept[1] if kept else None)
        return self._engine

    def _refuse(self, live: Document, problem: Obstacle) -> None:
        """Say in the status why nothing is done; once, since only an edit can change it."""
        status = live.get("status", {})
        around = Circumstances(status, live["metadata"]["generation"], self._tools.clock.now(), problem)
        wanted = unusable(around)
        if wanted != status:
            put_status(self._tools.api, live, wanted)
            events = Events(self._tools.api, live, self._tools.clock.now, self._tools.warn)
            events.tell(SPEC_REFUSED, problem.sentence, warning=True)

    def _rest(self, seconds: float) -> None:
        self._next_at = self._tools.monotonic() + seconds

    def _complain(self, sentence: str) -> None:
        """Tell of an error once, not at every pass."""
        self._tools.telemetry.failed(self.namespace, self.name)
        if sentence != self._trouble:
            self._trouble = sentence
            self._tools.warn(f"ModelRollout {self.namespace}/{self.name}: {sentence}")
