"""One replica of the operator: wait for the Lease, work while it is held, stand by when it is lost."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import Final

import kopf
import prometheus_client
from kubernetes import client

from canary.gates_webhook import HttpWebhooks
from canary.operator.fence import Fence, FencedApi
from canary.operator.fleet import Fleet
from canary.operator.handlers import registry, settings
from canary.operator.lease import Elector
from canary.operator.notify import Notifier
from canary.operator.settings import OperatorSettings
from canary.operator.tools import LOG, Tools
from canary.pinned import PinnedCandidates
from canary.prometheus import PrometheusMetrics
from canary.settings import Settings
from canary.telemetry import Telemetry
from mesh.cluster_api import ClusterApi, connect

STAND_BY_S: Final = 0.5


@dataclass
class Replica:
    """A replica of the operator; ``api`` is a client made with ``retries=False``, as `connect` does."""

    settings: OperatorSettings
    api: client.ApiClient

    def __post_init__(self) -> None:
        self.telemetry = Telemetry()
        self.elector = Elector(
            ClusterApi(self.api),
            self.settings.lease_namespace,
            self.settings.identity,
            timing=self.settings.lease,
        )

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; must not run in the main thread, whose signals are others' business."""
        election = threading.Thread(target=self.elector.run, args=(stop,), name="election")
        election.start()
        try:
            while not stop.is_set():
                if self.elector.holds(0):
                    self._lead(stop)
                stop.wait(STAND_BY_S)
        finally:
            stop.set()
            election.join()

    def _lead(self, stop: threading.Event) -> None:
        """Work until the Lease is lost, or ``stop`` is set."""
        LOG.info("%s is the leader", self.settings.identity)
        self.telemetry.leading(leads=True)
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(stop, over), name="watch")
        watch.start()
        tools = self._tools(self.elector)
        try:
            asyncio.run(self._operate(Fleet(tools), over))
        finally:
            over.set()
            watch.join()
            tools.notifier.close()
            self.telemetry.leading(leads=False)
            LOG.info("%s stands by", self.settings.identity)

    def _watch(self, stop: threading.Event, over: threading.Event) -> None:
        while not over.is_set() and not stop.is_set() and self.elector.holds(0):
            over.wait(STAND_BY_S / 2)
        over.set()

    async def _operate(self, fleet: Fleet, over: threading.Event) -> None:
        spaces = self.settings.namespaces
        await kopf.operator(
            registry=registry(fleet, self.api, self.elector),
            settings=settings(),
            standalone=True,
            clusterwide=not spaces,
            namespaces=spaces,
            stop_flag=over,
        )

    def _tools(self, fence: Fence) -> Tools:
        api = FencedApi(self.api, fence)
        return Tools(
            api,
            self._metrics,
            HttpWebhooks(),
            Notifier(api, lambda words: LOG.warning("%s", words)),
            lambda service, space: PinnedCandidates(self.settings.address_of(service, space)),
            self.telemetry,
            timing=self.settings.timing,
        )

    def _metrics(self, service: str) -> PrometheusMetrics:
        return PrometheusMetrics(self.settings.prometheus, Settings(service=service))


def run(chosen: OperatorSettings, stop: threading.Event) -> None:
    """Run a replica until ``stop`` is set, with its metrics on a port of its own.

    Raises:
        NoCluster: there is no usable configuration.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    replica = Replica(chosen, connect(chosen.context, chosen.kubeconfig))
    server, thread = prometheus_client.start_http_server(
        chosen.metrics_port, registry=replica.telemetry.registry
    )
    LOG.info("metrics on port %d", server.server_port)
    worker = threading.Thread(target=replica.run, args=(stop,), name="operator")
    worker.start()
    worker.join()
    server.shutdown()
    server.server_close()
    thread.join()
