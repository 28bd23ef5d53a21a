"""The golden gate on a cluster: the set is in a ConfigMap, both versions are asked by their pin header."""

import json
from collections.abc import Callable, Sequence
from typing import Final

from canary.resource.gates import Golden
from canary.rollout.model import Rollout
from mesh.cluster.api import ClusterApi
from modelstore.errors import BadGolden
from modelstore.golden import SCHEMA, Sentence, read_golden

LINES: Final = ".jsonl"
HUNDRED: Final = 100


def finder(api: ClusterApi, namespace: str, golden: Golden) -> Callable[[Rollout], Sequence[Sentence]]:
    """Return what reads the set of a rollout.

    It raises BadGolden where there is none, and ClusterError while the API is away.
    """

    def find(_rollout: Rollout) -> Sequence[Sentence]:
        name = f"ConfigMap {namespace}/{golden.config_map}, key {golden.key}"
        answer = api.request("GET", f"/api/v1/namespaces/{namespace}/configmaps/{golden.config_map}")
        if not answer.ok:
            raise BadGolden(name, answer.reason)
        text = answer.body.get("data", {}).get(golden.key)
        if text is None:
            raise BadGolden(name, "there is no such key")
        return read_golden(_whole(text, name) if golden.key.endswith(LINES) else text.encode(), name)

    return find


def _whole(text: str, name: str) -> bytes:
    """Return JSON lines as one golden set."""
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            rows += [json.loads(line)] if line.strip() else []
        except ValueError as error:
            raise BadGolden(name, f"line {number} is no JSON: {error}") from error
    return json.dumps({"schema": SCHEMA, "sentences": rows}).encode()
