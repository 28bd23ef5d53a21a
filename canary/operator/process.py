"""One replica of the operator: wait for the Lease, work while it is held, stand by when it is lost."""

import asyncio
import logging
import threading
from dataclasses import dataclass
from typing import Final

import kopf
import prometheus_client
from kubernetes import client

from canary.adapters.pinned import PinnedCandidates
from canary.adapters.webhook import HttpWebhooks
from canary.controller.gates import Webhooks
from canary.controller.world import SystemClock
from canary.operator.errors import OperatorFailed
from canary.operator.fence import FencedApi
from canary.operator.fleet import Fleet
from canary.operator.handlers import registry, settings
from canary.operator.lease import Elector
from canary.operator.notify import Notifier
from canary.operator.settings import OperatorSettings
from canary.operator.telemetry import Telemetry
from canary.operator.tools import LOG, Adapters
from canary.prometheus.client import Prometheus
from canary.prometheus.shared import SharedPrometheus
from canary.resource.spec import API_VERSION, GROUP, PLURAL
from mesh.cluster.api import ClusterApi, connect
from mesh.errors import MeshError

STAND_BY_S: Final = 0.5


@dataclass
class Replica:
    """A replica of the operator; ``api`` is a client made with ``retries=False``, as `connect` does."""

    settings: OperatorSettings
    api: client.ApiClient

    def __post_init__(self) -> None:
        self.telemetry = Telemetry()
        self.failure: OperatorFailed | None = None
        self._missed = False
        self._plain = ClusterApi(self.api)
        self.elector = Elector(
            self._plain,
            self.settings.lease_namespace,
            self.settings.identity,
            timing=self.settings.lease,
        )

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; must not run in the main thread, whose signals are others' business.

        What ends it otherwise is left in ``failure``.
        """
        election = threading.Thread(target=self.elector.run, args=(stop,), name="election")
        election.start()
        try:
            while not stop.is_set():
                if self.elector.holds(0) and self._knows_kind():
                    self._lead(stop)
                stop.wait(STAND_BY_S)
        except Exception as error:  # noqa: BLE001 - whatever ends the watch is told in one sentence
            self.failure = OperatorFailed(_sentence(error), of_api=_is_of_api(error))
        finally:
            stop.set()
            election.join()

    def _knows_kind(self) -> bool:
        """Tell whether the cluster has ModelRollouts: kopf would look for them only once."""
        try:
            found = self._plain.request("GET", f"/apis/{GROUP}/{API_VERSION}").body.get("resources", ())
        except MeshError:
            return False
        there = any(each["name"] == PLURAL for each in found)
        if not there and not self._missed:
            LOG.warning("the cluster has no %s.%s: apply deploy/crd/modelrollouts.yaml", PLURAL, GROUP)
        self._missed = not there
        return there

    def _lead(self, stop: threading.Event) -> None:
        """Work until the Lease is lost, or ``stop`` is set."""
        LOG.info("%s is the leader", self.settings.identity)
        self.telemetry.leading(leads=True)
        over = threading.Event()
        watch = threading.Thread(target=self._watch, args=(stop, over), name="watch")
        watch.start()
        webhooks = HttpWebhooks()
        shared = SharedPrometheus(Prometheus(self.settings.prometheus), SystemClock())
        tools = self._tools(webhooks, shared)
        fleet = Fleet(tools)
        rounds = threading.Thread(target=fleet.run, args=(over,), name="rounds")
        rounds.start()
        try:
            asyncio.run(self._operate(fleet, over))
        finally:
            over.set()
            watch.join()
            rounds.join()
            webhooks.close()
            shared.close()
            tools.close()
            self.telemetry.leading(leads=False)
            self.telemetry.clear()
            LOG.info("%s stands by", self.settings.identity)

    def _watch(self, stop: threading.Event, over: threading.Event) -> None:
        while not over.is_set() and not stop.is_set() and self.elector.holds(0):
            over.wait(STAND_BY_S / 2)
        over.set()

    async def _operate(self, fleet: Fleet, over: threading.Event) -> None:
        spaces = self.settings.namespaces
        try:
            await kopf.operator(
                registry=registry(fleet, self.api, self.elector),
                settings=settings(),
                standalone=True,
                clusterwide=not spaces,
                namespaces=spaces,
                stop_flag=over,
                # Its own asks for the user's name, and the user of a container may have none.
                identity=self.settings.identity,  # type: ignore[arg-type] # a str under a name that it keeps
            )
        finally:
            over.set()  # a thread of the loop waits for it, and the loop's end waits for that thread

    def _tools(self, webhooks: Webhooks, shared: SharedPrometheus) -> Adapters:
        api = FencedApi(self.api, self.elector)
        return Adapters(
            api,
            shared.metrics,
            webhooks,
            Notifier(api, lambda words: LOG.warning("%s", words)),
            lambda service, space: PinnedCandidates(
                self.settings.address_of(service, space), token=self.settings.token
            ),
            self.telemetry,
            timing=self.settings.timing,
            gateway_namespaces=self.settings.gateway_namespaces,
            domain=self.settings.domain,
        )


def _sentence(error: Exception) -> str:
    return str(error.args[0] if error.args else type(error).__name__)


def _is_of_api(error: Exception) -> bool:
    """Tell whether an error is about the API or the way to it; all others are ours."""
    library = type(error).__module__.partition(".")[0]
    return isinstance(error, (MeshError, OSError)) or library in {"kopf", "aiohttp"}


def _without_traces(record: logging.LogRecord) -> bool:
    """Let a record pass without kopf's tracebacks: what they are about is said in a sentence at the end."""
    if record.name.startswith(kopf.__name__):
        record.exc_info = record.exc_text = None
    return True


def run(chosen: OperatorSettings, stop: threading.Event) -> None:
    """Run a replica until ``stop`` is set, with its metrics on a port of its own.

    Raises:
        NoCluster: there is no usable configuration.
        OperatorFailed: the watch ended.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(_without_traces)
    replica = Replica(chosen, connect(chosen.context, chosen.kubeconfig))
    server, thread = prometheus_client.start_http_server(
        chosen.metrics_port, chosen.metrics_bind, registry=replica.telemetry.registry
    )
    LOG.info("metrics on port %d", server.server_port)
    worker = threading.Thread(target=replica.run, args=(stop,), name="operator")
    worker.start()
    worker.join()
    server.shutdown()
    server.server_close()
    thread.join()
    if replica.failure is not None:
        raise replica.failure
