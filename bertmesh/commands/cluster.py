"""A cluster as the command line sees it; imported only when a command is about one."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from canary.cluster.api import ModelRollouts
from canary.cluster.client import ClusterClient
from canary.cluster.errors import WhichModelRollout
from canary.cluster.queries import wants
from canary.controller.client import RolloutClient
from canary.prometheus.promql import RolloutQuery
from canary.settings import Settings
from mesh.cluster.kubeconfig import Place
from mesh.model import DOMAIN, full_name


@dataclass(frozen=True)
class Cluster:
    """The ModelRollouts of one namespace."""

    place: Place
    domain: str = field(default_factory=lambda: os.environ.get("BERTMESH_CLUSTER_DOMAIN") or DOMAIN)

    def rollouts(self, *, everywhere: bool = False) -> ModelRollouts:
        """Return those of the namespace, or of all namespaces."""
        return ModelRollouts(self.place.api, "" if everywhere else self.place.namespace)

    def client(self, name: str | None) -> ClusterClient:
        """Return the client of a ModelRollout; without a name, of the only one there is.

        Raises:
            WhichModelRollout: there is not exactly one.
            NoSuchModelRollout: there is none of that name.
            mesh.cluster.errors.ClusterError: the API is down or refuses.
        """
        names = [name] if name else self.rollouts().names()
        if len(names) != 1:
            raise WhichModelRollout(self.place.namespace, names)
        client = ClusterClient(self.rollouts(), names[0])
        client.read()
        return client

    def wants(self) -> Sequence[RolloutQuery]:
        """Return what the rollouts under way in the namespace ask of Prometheus.

        Raises:
            mesh.cluster.errors.ClusterError: the API is down or refuses.
        """
        return tuple(wants(self.rollouts().all(), self.domain))

    def settings(self, environment: Mapping[str, str], client: RolloutClient) -> Settings:
        """Return how the operator asks for a rollout's metrics."""
        service = Settings.service
        if isinstance(client, ClusterClient):
            spec, metadata = client.document["spec"], client.document["metadata"]
            service = full_name(spec["service"], metadata["namespace"], self.domain)
        return Settings.from_environment({**environment, "BERTMESH_SERVICE": service})
