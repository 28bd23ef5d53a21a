"""The canary controller of the local home: its core with this home's adapters."""

import logging
import os

from bertmesh.local import golden
from bertmesh.local.envoy_files import local_router
from bertmesh.local.home import Home
from bertmesh.local.workloads import WorkloadFiles
from canary.adapters.pinned import PinnedCandidates
from canary.controller.golden_gate import GoldenGate
from canary.controller.loop import Controller
from canary.controller.world import World
from canary.local.store import FileStore
from canary.prometheus.client import PrometheusMetrics
from canary.settings import Settings


def build_controller(home: Home) -> Controller:
    """Return the controller of a running mesh.

    Raises:
        MeshNotRunning: there is no mesh to control.
        ValueError: a setting in the environment is no number.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    info = home.info()
    settings = Settings.from_environment(os.environ)
    gateway = PinnedCandidates(info.gateway)
    world = World(
        router=local_router(home, info.envoy_admin),
        metrics=PrometheusMetrics(info.prometheus, settings),
        workloads=WorkloadFiles(home),
        store=FileStore(home.rollout),
        review=GoldenGate(gateway, golden.find),
        pins=gateway,
    )
    return Controller(world)
