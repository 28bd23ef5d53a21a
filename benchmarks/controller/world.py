"""The API server in a process of its own, with what lives in it; and who plays the Deployment controller."""

import multiprocessing
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api
from tests.support.kubeapi.samples import deployment, rollout

SETTLE_S: Final = 0.5
STARTED_S: Final = 60.0
POLICY: Final = {"profile": "default", "steps": [{"weight": 20, "soak": "1h"}]}
BROKEN: Final = {"judge": {"schema": 1, "state": "nonsense", "notes": "{}"}}


@dataclass
class World:
    """Talks to the process that holds the API server."""

    pipe: Connection
    kubeconfig: Path

    def order(self, verb: str, *words: object) -> Any:  # noqa: ANN401 - as the verb has it
        """Let the process do something, and return what it says."""
        self.pipe.send((verb, *words))
        return self.pipe.recv()


@contextmanager
def child(serve: Callable[..., None], *arguments: object) -> Iterator[Connection]:
    """Run ``serve`` in a process of its own; it ends when anything is sent that it does not know."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(*arguments, there), daemon=True)
    process.start()
    try:
        if not here.poll(STARTED_S):
            message = f"{serve.__name__} did not start"
            raise TimeoutError(message)
        yield here
    finally:
        process.kill()
        process.join()


@contextmanager
def world(rollouts: int) -> Iterator[World]:
    """Run an API server with so many ModelRollouts that want nothing yet."""
    with tempfile.TemporaryDirectory() as folder, child(_serve, rollouts, Path(folder)) as pipe:
        yield World(pipe, pipe.recv())


def _serve(rollouts: int, folder: Path, pipe: Connection) -> None:
    with mesh_api() as api:
        for number in range(rollouts):
            service = f"s{number}"
            for version, replicas in (("1.0", 2), ("1.1", 0)):
                labels = {"app": service, "version": version}
                api.create(deployment(f"{service}-{version}", replicas=replicas, labels=labels))
            api.create(rollout(service, service=service, canary=None, policy=POLICY))
        pipe.send(api.kubeconfig(folder / "kubeconfig"))
        while True:
            while not pipe.poll(SETTLE_S):
                _settle(api)
            verb, *words = pipe.recv()
            pipe.send(VERBS[verb](api, *words))


def _settle(api: KubeApi) -> None:
    for name, each in _stored(api, "deployments"):
        if each.get("status", {}).get("observedGeneration") != each["metadata"]["generation"]:
            api.settle(name)


def _stored(api: KubeApi, plural: str) -> list[tuple[str, Mapping[str, Any]]]:
    """Return objects by name as they lie in the store: copies of thousands would keep the server busy."""
    with api.storage.lock:
        kinds = [found for key, found in api.storage.objects.items() if plural in key]
        return [(name, each) for found in kinds for (_, name), each in found.items()]


def _want(api: KubeApi, version: str) -> None:
    """Let every rollout want a canary."""
    for name, _ in _stored(api, "modelrollouts"):
        api.edit("ModelRollout", name, {"spec": {"canary": version}})


def _break(api: KubeApi, name: str) -> None:
    """Store a state that nobody can read."""
    api.edit_status("ModelRollout", name, BROKEN)


def _standing(api: KubeApi) -> Counter[str]:
    """Count the rollouts by weight that is proved and phase."""
    found: Counter[str] = Counter()
    for _, each in _stored(api, "modelrollouts"):
        status: Mapping[str, Any] = each.get("status", {})
        ready = any((one["type"], one["status"]) == ("Ready", "True") for one in status.get("conditions", ()))
        found["ready"] += ready
        found["proved"] += status.get("weightProved", 0) == POLICY["steps"][0]["weight"]  # type: ignore[index] # above
    return found


def _requests(api: KubeApi) -> dict[str, int]:
    """Count the requests that were answered: reads, writes, and writes of the Lease."""
    leases = sum("leases" in seen.path for seen in api.seen)
    writes = sum(seen.method != "GET" and "leases" not in seen.path for seen in api.seen)
    return {"reads": len(api.seen) - writes - leases, "writes": writes, "leases": leases}


VERBS: Final[Mapping[str, Callable[..., object]]] = {
    "want": _want,
    "break": _break,
    "standing": _standing,
    "requests": _requests,
}
