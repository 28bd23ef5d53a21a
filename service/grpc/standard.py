"""What gRPC's own tools look for on a port: the health service, and reflection.

https://github.com/grpc/grpc/blob/master/doc/health-checking.md and server-reflection.md
"""

from collections.abc import Iterator
from threading import Event
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service.grpc.messages import POOL, SERVICE
from service.pod.assembly import Pod, State

HEALTH = str(health_pb2.DESCRIPTOR.services_by_name["Health"].full_name)
_LOOK_S = 0.2
"""How often a watcher's pod is looked at."""


def add_standard_services(server: grpc.Server, pod: Pod) -> "Health":
    """Add health and reflection to a server that is not started yet; return the former."""
    health = Health(pod)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    # One pool for all that can be asked about; the service's own is not the default one.
    for each in (health_pb2, reflection_pb2):
        POOL.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    reflection.enable_server_reflection((SERVICE, HEALTH, reflection.SERVICE_NAME), server, POOL)
    return health


class Health(health_pb2_grpc.HealthServicer):
    """Serving while new requests are welcome: what /readyz says, for the whole server and its one service."""

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._over = Event()

    def end(self) -> None:
        """End all watches: they would keep a server that finishes its calls from ending."""
        self._over.set()

    def Check(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: ANN401, N802 - the protocol's
        """Tell how it is now."""
        status = self._status(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} here; {SERVICE} is")
        return health_pb2.HealthCheckResponse(status=status)

    def Watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:  # noqa: ANN401, N802 - the same
        """Tell how it is now, and each time that it changes."""
        told = None
        while context.is_active() and not self._over.is_set():
            status = self._status(request.service)
            if status != told or told is None:
                unknown = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
                yield health_pb2.HealthCheckResponse(status=unknown if status is None else status)
                told = status
                if status is None:
                    return
            self._over.wait(_LOOK_S)

    def _status(self, service: str) -> int | None:
        if service not in ("", SERVICE, HEALTH):
            return None
        ready = self._pod.state is State.READY
        response = health_pb2.HealthCheckResponse
        return int(response.SERVING if ready else response.NOT_SERVING)
