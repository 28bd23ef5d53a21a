"""The status of a pod, from the states of its containers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

Document = dict[str, Any]

OURS: Final = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


def now() -> str:
    """Return the present time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class State:
    """What is to be said of a container: its states as Kubernetes has them, and what its probes say."""

    now: Document
    last: Document
    restarts: int = 0
    ready: bool = False
    started: bool = False


Container = tuple[Mapping[str, Any], State]
"""What a container shall be, and what it is."""


@dataclass(frozen=True)
class Facts:
    """What is known of a pod beside its containers. ``failed``: an init container was given up."""

    began: str
    host: str
    address: str | None
    initialized: bool
    finished: bool
    failed: bool


def is_sidecar(spec: Mapping[str, Any]) -> bool:
    """Return whether an init container is a native sidecar."""
    return spec.get("restartPolicy") == "Always"


def status_of(
    pod: Mapping[str, Any], init: Sequence[Container], main: Sequence[Container], facts: Facts
) -> Document:
    """Return the pod's whole status; conditions that others wrote stay."""
    lasting = [*main, *((spec, state) for spec, state in init if is_sidecar(spec))]
    phase = _phase(main, facts)
    ready = not facts.finished and facts.initialized and all(state.ready for _, state in lasting)
    truths = dict(zip(OURS, (facts.address is not None, facts.initialized, ready, ready), strict=True))
    reason = "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
    addresses = [{"ip": facts.address}] if facts.address else []
    return {
        "phase": phase,
        "observedGeneration": pod["metadata"].get("generation", 1),
        "startTime": facts.began,
        "hostIP": facts.host,
        "hostIPs": [{"ip": facts.host}],
        "podIP": facts.address,
        "podIPs": addresses,
        "conditions": _conditions(pod, truths, reason),
        "initContainerStatuses": [_container(*each, done=not is_sidecar(each[0])) for each in init],
        "containerStatuses": [_container(*each) for each in main],
    }


def _phase(main: Sequence[Container], facts: Facts) -> str:
    if facts.finished:
        codes = [state.now.get("terminated", {}).get("exitCode", 0) for _, state in main]
        return "Failed" if facts.failed or any(codes) else "Succeeded"
    begun = all("waiting" not in state.now or state.last for _, state in main)
    return "Running" if begun else "Pending"


def _conditions(pod: Mapping[str, Any], truths: Mapping[str, bool], reason: str) -> list[Document]:
    before = {each["type"]: each for each in pod.get("status", {}).get("conditions", ())}
    gates = [each["conditionType"] for each in pod["spec"].get("readinessGates", ())]
    passed = all(before.get(gate, {}).get("status") == "True" for gate in gates)
    made = []
    for kind, holds in truths.items():
        true = holds and (passed or kind != "Ready")
        condition = {"type": kind, "status": "True" if true else "False", "lastTransitionTime": now()}
        if not true and kind in ("ContainersReady", "Ready"):
            condition["reason"] = reason if not holds else "ReadinessGatesNotReady"
        known = before.get(kind, {})
        if known.get("status") == condition["status"]:
            condition["lastTransitionTime"] = known["lastTransitionTime"]
        made.append(condition)
    return made + [each for each in before.values() if each["type"] not in OURS]


def _container(spec: Mapping[str, Any], state: State, *, done: bool = False) -> Document:
    ended = state.now.get("terminated", {}).get("exitCode")
    return {
        "name": spec["name"],
        "image": spec["image"],
        "imageID": "",
        "containerID": f"process://{spec['name']}-{state.restarts}",
        "state": state.now,
        "lastState": state.last,
        "restartCount": state.restarts,
        "ready": ended == 0 if done else state.ready,
        "started": state.started,
    }
