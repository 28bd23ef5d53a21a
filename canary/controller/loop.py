"""The controller as a whole: a world in, a loop out."""

from threading import Event
from typing import Final

from canary.controller.reconcile import Reconciler
from canary.controller.world import World
from canary.rollout.state import State

BEAT_S: Final = 1.0
PAUSE_S: Final = 0.2


class Controller:
    """Runs rollouts. Everything it knows is in the store, so that it may be killed at any time.

    Raises:
        canary.errors.StoreCorrupt: the stored state cannot be read.
        mesh.errors.MeshError: there is neither a stored state nor a readable split.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._beaten_at = float("-inf")
        self._reconciler = Reconciler(world)

    @property
    def state(self) -> State:
        """The state as it is stored."""
        return self._reconciler.state

    def refuse(self, command_id: str, why: str) -> None:
        """Answer a command that makes no sense in this home."""
        self._reconciler.refuse(command_id, why)

    def tick(self) -> None:
        """Make one pass: commands, then whatever is due."""
        self._reconciler.run()
        now = self._world.clock.now()
        if now - self._beaten_at >= BEAT_S:
            self._world.store.beat(now)
            self._beaten_at = now

    def run(self, stop: Event) -> None:
        """Make passes until ``stop`` is set."""
        while not stop.is_set():
            self.tick()
            stop.wait(PAUSE_S)
