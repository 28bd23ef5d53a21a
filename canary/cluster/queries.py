"""What all rollouts of a namespace ask of Prometheus, as the operator reads it for all of them at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from canary.cluster.store import StatusCorrupt, decode
from canary.prometheus.promql import RolloutQuery
from mesh.model import DOMAIN, full_name


def wants(documents: Iterable[Mapping[str, Any]], domain: str = DOMAIN) -> Iterator[RolloutQuery]:
    """Yield what each rollout under way asks for; one whose state cannot be read asks for nothing."""
    for document in documents:
        metadata, judge = document["metadata"], document.get("status", {}).get("judge")
        if not judge:
            continue
        try:
            rollout = decode(metadata["name"], judge)[0].active
        except StatusCorrupt:
            continue
        if rollout is not None:
            service = full_name(document["spec"]["service"], metadata["namespace"], domain)
            yield RolloutQuery(service, (rollout.stable, rollout.canary), rollout.edge)
