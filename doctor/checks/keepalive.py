"""How long idle connections live, on both ends."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from doctor.check import ANYWHERE, check
from doctor.checks.routes import seconds
from doctor.dig import parts, text, words
from doctor.fixes import merge
from doctor.model import Inventory, Object, Severity, Sighting
from doctor.pods import Workload, selected
from doctor.traffic import ISTIO, full_host, overlap, rollouts, routed_services
from mesh.model import subset_name
from mesh.policy import ConnectionPool

ENVOY_IDLE_S: Final = 3600.0
"""Envoy's default for upstream connections, where no DestinationRule says another
(config.core.v3.HttpProtocolOptions.idle_timeout)."""
OWN_CONFIG: Final = "service.server.gunicorn_conf"
OWN_KEEPALIVE_S: Final = 75.0
GRACE_S: Final = 30.0
"""gunicorn's default for ``--graceful-timeout``; the pod's own configuration gives it after a drain."""


@dataclass(frozen=True)
class Server:
    """A web server as its command line shows it: its option for idle connections, and the default in s."""

    pattern: str
    options: tuple[str, ...]
    default_s: float


SERVERS: Final = (
    Server("gunicorn", ("--keep-alive",), 2.0),
    Server("uvicorn", ("--timeout-keep-alive",), 5.0),
    Server("hypercorn", ("--keep-alive",), 5.0),
    Server("waitress", ("--channel-timeout",), 120.0),
)


def keep_alive(container: Mapping[str, Any]) -> float | None:
    """Return after how many seconds a container closes an idle connection, None if that cannot be told."""
    line, settings = _started(container)
    for server in SERVERS:
        if re.search(rf"\b{server.pattern}\b", line):
            extra = settings.get("GUNICORN_CMD_ARGS", "") if server.pattern == "gunicorn" else ""
            said = _option(f"{line} {extra}", server.options)
            own = OWN_KEEPALIVE_S if OWN_CONFIG in line else server.default_s
            return own if said is None else said
    return OWN_KEEPALIVE_S if OWN_CONFIG in line else None


def _started(container: Mapping[str, Any]) -> tuple[str, Mapping[str, str]]:
    """Return the command line and the environment of a container."""
    line = " ".join([*words(container, "command"), *words(container, "args")])
    return line, {text(each, "name"): text(each, "value") for each in parts(container, "env")}


def _option(line: str, names: tuple[str, ...]) -> float | None:
    try:
        flat = shlex.split(line.replace("=", " "))
    except ValueError:
        flat = line.replace("=", " ").split()
    for word, value in pairwise(flat):
        if word in names and re.fullmatch(r"\d+(\.\d+)?", value):
            return float(value)
    return None


def _idle(inventory: Inventory, service: Object, workload: Workload) -> tuple[Object | None, float]:
    """Return how long Envoy keeps an idle connection to these pods, and the rule that says so.

    Where an HTTPRoute splits, requests go to the Service of each version, so that its rule counts as well.
    """
    rollout = _rollout_of(inventory, service)
    names = [service.name]
    if rollout is not None and _style(rollout) == "gatewayAPI":
        names.append(f"{service.name}-{subset_name(workload.labels.get('version', ''))}")
    # In Istio's styles the controller writes a rule with its own pool.
    ruled = rollout is not None and _style(rollout) != "gatewayAPI"
    found: tuple[Object | None, float] = (None, ConnectionPool().idle_timeout_s if ruled else ENVOY_IDLE_S)
    for rule in inventory.of("DestinationRule", group=ISTIO):
        host = full_host(text(rule.body, "spec", "host"), rule.namespace)
        if any(overlap(host, full_host(name, service.namespace)) for name in names):
            said = seconds(text(rule.body, "spec", "trafficPolicy", "connectionPool", "http", "idleTimeout"))
            found = (rule, said if said is not None else ENVOY_IDLE_S)
    return found


def _rollout_of(inventory: Inventory, service: Object) -> Object | None:
    place = (service.namespace, service.name)
    found = (
        each for each in rollouts(inventory) if (each.namespace, text(each.body, "spec", "service")) == place
    )
    return next(found, None)


def _style(rollout: Object) -> str:
    return text(rollout.body, "spec", "routing", "style") or "subsets"


@check("BM301", Severity.ERROR, ANYWHERE)
def short_keep_alive(inventory: Inventory) -> Iterator[Sighting]:
    """A pod closes idle connections before Envoy does.

    Envoy then sends a request on a connection that the pod is just closing: 503 with the flag UC, now and
    then and under low traffic most. gunicorn's default is 2 s, Envoy's idle time without a
    DestinationRule is an hour.

    Give the pod a longer keep-alive than connectionPool.http.idleTimeout in the DestinationRule.
    """
    for service in routed_services(inventory):
        for workload in selected(inventory, service):
            rule, idle = _idle(inventory, service, workload)
            for field, container in workload.containers:
                alive = keep_alive(container)
                if alive is not None and alive <= idle and _listens(workload, container):
                    yield _short(service, rule, workload, field, (alive, idle))


def _listens(workload: Workload, container: Mapping[str, Any]) -> bool:
    """Tell whether a container may be the one that the Service leads to."""
    return len(workload.containers) == 1 or bool(parts(container, "ports"))


def _short(
    service: Object, rule: Object | None, workload: Workload, field: str, times: tuple[float, float]
) -> Sighting:
    alive, idle = times
    if rule and idle != ENVOY_IDLE_S:
        where = f"idleTimeout in {rule}"
    else:
        where = "Envoy's default, no idleTimeout set" if idle == ENVOY_IDLE_S else "the controller's rule"
    wanted = f"{max(1, int(alive * 0.4))}s"
    policy = {"spec": {"trafficPolicy": {"connectionPool": {"http": {"idleTimeout": wanted}}}}}
    how = (
        merge(rule, policy)
        if rule and alive > 1
        else f"add a DestinationRule for {service.name} with connectionPool.http.idleTimeout {wanted}"
    )
    return Sighting(
        workload.object,
        field,
        f"keep-alive {alive:g} s, Envoy keeps idle connections {idle:g} s ({where})",
        f"{how}; or start the server with a longer keep-alive (gunicorn --keep-alive {int(idle * 2.5)})",
    )


def grace(container: Mapping[str, Any]) -> float | None:
    """Return how many seconds gunicorn takes at most to end its requests, None for another server."""
    line, env = _started(container)
    if not re.search(r"\bgunicorn\b", line) and OWN_CONFIG not in line:
        return None
    said = _option(f"{line} {env.get('GUNICORN_CMD_ARGS', '')}", ("--graceful-timeout",))
    if said is not None or OWN_CONFIG not in line:
        return GRACE_S if said is None else said
    drain, deadline = _number(env, "BERTMESH_DRAIN_S", 1.0), _number(env, "BERTMESH_DEADLINE_S", 4.5)
    return drain + max(GRACE_S, deadline + 5)


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    said = env.get(name, "")
    return float(said) if re.fullmatch(r"\d+(\.\d+)?", said) else default
