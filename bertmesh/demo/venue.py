"""Where the demo is played: on the local mesh, or on a cluster."""

from abc import ABC, abstractmethod
from collections.abc import Mapping

from bertmesh.local.home import VersionSpec
from canary.controller.client import RolloutClient
from canary.judge.policy import Profile
from canary.rollout.commands import OrderResult
from canary.rollout.state import State


class Venue(ABC):
    """One service under rollouts, which ``client`` reads and orders.

    ``gateway`` is the URL that its clients call, ``headers`` go with each request. Rollouts are judged by
    ``profile``. ``log`` says where the controller's log is.
    """

    def __init__(
        self,
        client: RolloutClient,
        gateway: str,
        *,
        profile: Profile,
        log: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.client = client
        self.gateway = gateway
        self.headers = headers or {}
        self.profile = profile
        self.log = log

    @abstractmethod
    def add_version(self, name: str, spec: VersionSpec) -> None:
        """Make a version known, so that it can be put on trial."""

    @abstractmethod
    def start(self, canary: str, within_s: float) -> OrderResult:
        """Begin a rollout under the profile; raises as `RolloutClient.send` does."""

    @abstractmethod
    def state(self) -> State:
        """Return the state as the controller stored it last.

        Raises:
            bertmesh.errors.ControllerSilent: it stored nothing for long.
        """

    @abstractmethod
    def weight(self, canary: str) -> int:
        """Return the per cent that the written routes send to ``canary``."""

    @abstractmethod
    def kill_controller(self) -> str | None:
        """Kill the controller; return its name, or None where there is none to kill just now."""

    @abstractmethod
    def successor(self, killed: str) -> float | None:
        """Return when another controller than ``killed`` gave a first sign of life (Unix seconds)."""
