"""The rollout console as the WSGI server loads it: of a local home, or of a cluster."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from flask import Flask

from bertmesh.errors import BertmeshError
from bertmesh.local.home import Home
from canary.adapters.disagreements import Disagreement, worst
from canary.console.app import Console, create_app
from canary.console.local import LocalRollouts
from canary.console.ports import Rollouts
from canary.console.security import RequestGuard
from canary.console.settings import Settings
from canary.console.traffic import PrometheusTraffic
from canary.settings import Settings as CanarySettings
from mesh.model import DOMAIN

SERVICE = "bert"
SECRET_BYTES = 32

Url = Callable[[], str | None]


def create() -> Flask:
    """Return the console of the home that BERTMESH_HOME names.

    Raises:
        canary.console.settings.BadSetting: as its text says.
    """
    home = Home.at(Path(os.environ["BERTMESH_HOME"]))
    rollouts = LocalRollouts(home.rollout, SERVICE)
    return _app(os.environ, rollouts, "bertmesh up", prometheus=partial(_address, home, "prometheus"),
                redis=partial(_address, home, "redis"))  # fmt: skip


def create_for_cluster() -> Flask:
    """Return the console of the namespaces in BERTMESH_CONSOLE_NAMESPACES, none being all.

    Raises:
        canary.console.settings.BadSetting: as its text says.
        mesh.cluster.errors.ClusterError: there is no such cluster.
    """
    from canary.console.cluster import ClusterRollouts  # noqa: PLC0415 - loads the package kubernetes
    from mesh.cluster.kubeconfig import find_place  # noqa: PLC0415 - the same

    said = os.environ
    context, kubeconfig = (said.get(f"BERTMESH_CONSOLE_{name}") or None for name in ("CONTEXT", "KUBECONFIG"))
    place = find_place(context, None, kubeconfig)
    spaces = tuple(filter(None, said.get("BERTMESH_CONSOLE_NAMESPACES", "").split(",")))
    domain = said.get("BERTMESH_CLUSTER_DOMAIN") or DOMAIN
    rollouts = ClusterRollouts(
        place.api, spaces, said.get("BERTMESH_CONSOLE_LEASE_NAMESPACE", ""), domain=domain
    )
    return _app(said, rollouts, "kubectl apply -f rollout.yaml",
                prometheus=lambda: said.get("BERTMESH_PROMETHEUS_URL") or None,
                redis=lambda: said.get("BERTMESH_REDIS_URL") or None)  # fmt: skip


def _app(
    environment: Mapping[str, str], rollouts: Rollouts, beginning: str, *, prometheus: Url, redis: Url
) -> Flask:
    settings = replace(Settings.from_environment(environment), beginning=beginning)
    guard = RequestGuard(settings, secrets.token_bytes(SECRET_BYTES))
    traffic = PrometheusTraffic(prometheus, CanarySettings.from_environment(environment))

    def disagreements(canary: str) -> Sequence[Disagreement]:
        url = redis()
        return worst(url, canary) if url else ()

    return create_app(Console(rollouts, guard, traffic=traffic, disagreements=disagreements), settings)


def _address(home: Home, part: str) -> str | None:
    """Return where a part of the mesh is now: its port changes with every start."""
    with suppress(BertmeshError):
        return str(getattr(home.info(), part))
    return None
