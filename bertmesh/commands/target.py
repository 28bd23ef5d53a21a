"""Which rollout a command is about: the local mesh's, or a ModelRollout on a cluster."""

import functools
import getpass
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bertmesh.commands.options import home_option
from bertmesh.errors import BertmeshError, MeshNotRunning
from bertmesh.local.home import Home
from canary.controller.client import RolloutClient
from canary.local.client import Client
from canary.settings import Settings

if TYPE_CHECKING:  # the package kubernetes is in the extra `cluster`, and takes long to load
    from bertmesh.commands.cluster import Cluster

PLUGIN = "kubectl"
"""In a click context's ``meta``: the command came by kubectl, so there is no local mesh."""

NO_HOME = Home.at(Path(".bertmesh"))
Command = Callable[..., Any]
CLUSTER_OPTIONS = (
    click.option("--context", help="The kubeconfig's context: the command is about a cluster."),
    click.option("-n", "--namespace", help="The namespace: the command is about a cluster."),
    click.option("--kubeconfig", help="The kubeconfig [default: as kubectl finds it]."),
    click.option("--cluster", "on_cluster", is_flag=True, help="On a cluster, as the kubeconfig stands."),
)
name_argument = click.argument("name", required=False)


class ClusterPartMissing(BertmeshError):
    """A command about a cluster where the packages for it are not installed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the package {name} is not installed: pip install 'bertmesh[cluster]'")


@contextmanager
def cluster_part() -> Iterator[None]:
    """Surround an import of what needs the extra `cluster`.

    Raises:
        ClusterPartMissing: it is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise ClusterPartMissing(error.name or "kubernetes") from error


class NameNotNeeded(BertmeshError):
    """The name of a rollout where there is only one."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the local mesh has one service, so its rollout takes no name (got {name!r}); for a "
            "ModelRollout on a cluster, add --context, --namespace or --cluster"
        )


@dataclass(frozen=True)
class Target:
    """What the options say: a home, or else where on which cluster."""

    home: Home
    context: str | None = None
    namespace: str | None = None
    kubeconfig: str | None = None
    remote: bool = False

    @functools.cached_property
    def cluster(self) -> "Cluster":
        """The cluster that is meant.

        Raises:
            ClusterPartMissing: the extra `cluster` is not installed.
            mesh.cluster.errors.ClusterError: there is no such cluster.
        """
        with cluster_part():
            from bertmesh.commands.cluster import Cluster  # noqa: PLC0415 - see above
            from mesh.cluster.kubeconfig import find_place  # noqa: PLC0415 - see above
        return Cluster(find_place(self.context, self.namespace, self.kubeconfig))

    def client(self, name: str | None) -> RolloutClient:
        """Return where the rollout of that name is read and ordered.

        Raises:
            BertmeshError, CanaryError, MeshError: there is none; their sentences say why.
        """
        return self.cluster.client(name) if self.remote else self.local(name)

    def local(self, name: str | None) -> Client:
        """Return the client of the local mesh.

        Raises:
            MeshNotRunning: there never was one.
            NameNotNeeded: it has one service only, so it takes no name.
        """
        if name is not None:
            raise NameNotNeeded(name)
        if not self.home.root.is_dir():
            raise MeshNotRunning(self.home.root)
        return Client(self.home.rollout)

    def check_running(self, client: RolloutClient) -> None:
        """Say at once that there is no mesh at all; a controller that restarts gets its time.

        Raises:
            MeshNotRunning: as its text says.
        """
        beat = client.controller()
        if not self.remote and (beat is None or not beat["alive"]):
            self.home.info()

    def stamp(self) -> tuple[str, str, float]:
        """Return what every new command begins with: its id, who gives it, and when (Unix seconds)."""
        return uuid.uuid4().hex, self.cluster.place.who() if self.remote else _local_user(), time.time()

    def settings(self, environment: Mapping[str, str], client: RolloutClient) -> Settings:
        """Return how the metrics of the rollout are asked for."""
        if self.remote:
            return self.cluster.settings(environment, client)
        from bertmesh.local.backends import METRICS_WINDOW  # noqa: PLC0415 - only where there is a local mesh

        return Settings.from_environment({**METRICS_WINDOW, **environment})


def _local_user() -> str:
    """Return who is at this machine."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user without a name; which of them, depends on Python
        return "unknown"


def target_options(function: Command) -> Command:
    """Give a command the options that say what it is about; it gets them as ``target``."""

    @functools.wraps(function)
    def command(
        *,
        context: str | None,
        namespace: str | None,
        kubeconfig: str | None,
        home: Home = NO_HOME,  # of a plugin of kubectl, which has neither of these options
        on_cluster: bool = False,
        **others: Any,  # noqa: ANN401 - the command's own parameters
    ) -> Any:  # noqa: ANN401 - what the command returns
        plugin = PLUGIN in click.get_current_context().meta
        remote = plugin or on_cluster or any(word is not None for word in (context, namespace, kubeconfig))
        return function(target=Target(home, context, namespace, kubeconfig, remote), **others)

    decorated: Command = command
    for option in reversed((home_option, *CLUSTER_OPTIONS)):
        decorated = option(decorated)
    return decorated
