"""kopf's part: who is told of ModelRollouts that come, change and go.

Every handler only asks for a pass, which looks at what is and what should be. So it does not matter which
of them comes, or whether one comes twice.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
from kubernetes import client

from canary.cluster.annotation import COMMAND
from canary.operator.fence import Fence, check
from canary.operator.fleet import Fleet
from canary.resource.spec import API_VERSION, GROUP, PLURAL

RESOURCE = (GROUP, API_VERSION, PLURAL)
FINALIZER = f"{GROUP}/traffic"
RETRY_S = 0.5
WRITE_S = 5.0
WORKERS = 16

Call = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]


def settings() -> kopf.OperatorSettings:
    """Return how kopf shall behave: no peering, no Events of its own, all of its notes under our name."""
    made = kopf.OperatorSettings()
    made.peering.standalone = True
    made.posting.enabled = False
    made.scanning.disabled = True
    made.execution.max_workers = WORKERS
    made.persistence.finalizer = FINALIZER
    made.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP, v1=False)
    made.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP, v1=False)
    made.networking.error_backoffs = [0.2, 0.5, 1.0, 2.0]
    made.watching.reconnect_backoff = 0.5
    return made


def registry(fleet: Fleet, api: client.ApiClient, fence: Fence) -> kopf.OperatorRegistry:
    """Return the handlers, for an operator that may write while the fence holds."""
    made = kopf.OperatorRegistry()

    @kopf.on.login(registry=made)
    async def login(**_: object) -> kopf.AiohttpSession:
        return session(api, fence)

    @kopf.on.create(*RESOURCE, registry=made)
    @kopf.on.resume(*RESOURCE, registry=made)
    @kopf.on.update(*RESOURCE, registry=made)
    def changed(namespace: str | None, name: str, **_: object) -> None:
        fleet.changed(str(namespace), name)

    # kopf counts no annotation under our own prefix as a change; a command should not wait for the next tick.
    @kopf.on.event(*RESOURCE, registry=made, annotations={COMMAND: kopf.PRESENT})
    def commanded(namespace: str | None, name: str, **_: object) -> None:
        fleet.changed(str(namespace), name)

    @kopf.on.delete(*RESOURCE, registry=made)
    def deleted(namespace: str | None, name: str, meta: kopf.Meta, **_: object) -> None:
        asked = datetime.fromisoformat(str(meta["deletionTimestamp"]))
        since_s = (datetime.now(UTC) - asked).total_seconds()
        if not fleet.leave(str(namespace), name, since_s):
            message = "the traffic is on its way to the stable version"
            raise kopf.TemporaryError(message, delay=RETRY_S)

    return made


def session(api: client.ApiClient, fence: Fence) -> kopf.AiohttpSession:
    """Return kopf's connection: with the same credentials, and behind the same fence as all other writes."""
    known = api.configuration

    async def guarded(request: aiohttp.ClientRequest, call: Call) -> aiohttp.ClientResponse:
        check(fence, request.method, request.url.path, WRITE_S)
        # Asked each time: the token of a pod is renewed under its hands.
        granted: Any = known.auth_settings().get("BearerToken", {})
        if granted.get("value"):
            request.headers["Authorization"] = granted["value"]
        return await call(request)

    ssl: Any = _ssl(known)
    made = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, ssl=ssl), middlewares=(guarded,))
    return kopf.AiohttpSession(server=known.host, aiohttp_session=made)


def _ssl(known: client.Configuration) -> Any:  # noqa: ANN401 - a context, or whether to check at all
    info = kopf.ConnectionInfo(
        server=known.host,
        ca_path=known.ssl_ca_cert,
        insecure=not known.verify_ssl,
        certificate_path=known.cert_file,
        private_key_path=known.key_file,
    )
    return info.as_ssl_context()
