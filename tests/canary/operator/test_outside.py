"""Gates and receivers over HTTP, the operator's own metrics and spans, its command."""

import base64
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from click.testing import CliRunner
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from bertmesh.commands.operator import operator
from canary.adapters.webhook import HttpWebhooks
from canary.controller.gates import Reply
from canary.operator.errors import BadSettings
from canary.operator.keeper import Keeper
from canary.operator.settings import OperatorSettings
from canary.operator.telemetry import Telemetry
from canary.resource.gates import Webhook
from tests.canary.operator.clusters import Cluster
from tests.canary.operator.receivers import Receiver, listening
from tests.support.processes import wait_until


def ask(receiver: Receiver, webhooks: HttpWebhooks, timeout_s: float = 10.0) -> tuple[Reply, str]:
    """Ask until there is an answer."""
    gate = Webhook(name="law", url=receiver.url, timeout_s=timeout_s)
    question: Mapping[str, Any] = {"canary": "1.1", "weight": 20}
    assert webhooks.ask(gate, "rollout-1/0/law", question) == (Reply.SILENCE, "")
    replies: list[tuple[Reply, str]] = []

    def answered() -> bool:
        replies.append(webhooks.ask(gate, "rollout-1/0/law", question))
        return replies[-1] != (Reply.SILENCE, "")

    wait_until(answered, "there is an answer")
    return replies[-1]


@pytest.mark.parametrize(
    ("code", "reply"),
    [(200, Reply.YES), (204, Reply.YES), (403, Reply.NO), (429, Reply.SILENCE), (503, Reply.SILENCE)],
)
def test_a_webhook_says_yes_or_no_by_its_code(code: int, reply: Reply) -> None:
    webhooks = HttpWebhooks()
    with listening(code, words="" if code == 204 else "because") as receiver:
        assert ask(receiver, webhooks)[0] is reply
    assert receiver.heard[0] == {"gate": "law", "canary": "1.1", "weight": 20}
    webhooks.close()


def test_a_slow_webhook_keeps_nobody_waiting_and_its_time_is_limited() -> None:
    webhooks = HttpWebhooks()
    with listening() as receiver:
        receiver.wait = threading.Event()
        assert "Timeout" in ask(receiver, webhooks, timeout_s=0.3)[1]
    webhooks.close()


def test_receivers_hear_of_what_they_asked_for_and_secret_addresses_stay_secret(cluster: Cluster) -> None:
    with listening() as plain, listening(500, 200) as slack:
        address = base64.b64encode(slack.url.encode()).decode()
        cluster.api.create(
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "chat", "namespace": "default"},
                "data": {"url": address},
            }
        )
        cluster.apply(
            notify=[
                {"name": "log", "url": plain.url, "events": ["Started", "Promoted"]},
                {"name": "chat", "secret": "chat", "format": "slack"},
                {"name": "gone", "secret": "nobody", "events": ["Started"]},
            ]
        )
        tools = cluster.tools()
        cluster.run(Keeper(tools, "default", "bert"), 150)
        tools.notifier.close()
    assert [heard["occasion"] for heard in plain.heard] == ["Started", "Promoted"]
    assert plain.heard[0]["rollout"] == "default/bert"
    assert [set(heard) for heard in slack.heard] == [{"text"}, {"text"}]  # the first was not taken
    assert slack.heard[1]["text"].startswith("*Promoted* default/bert: 1.0 -&gt; 1.1 at 100 %")
    assert len(cluster.complaints) == 1
    assert "receiver gone did not take the message" in cluster.complaints[0]
    assert "http" not in cluster.complaints[0]


def test_weights_evidence_verdicts_and_failed_queries_are_metrics_and_each_move_is_a_span(
    cluster: Cluster,
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    tools = cluster.tools()
    tools.telemetry = Telemetry(tracer=provider.get_tracer("test"))
    cluster.apply()
    keeper = Keeper(tools, "default", "bert")
    cluster.run(keeper, until=lambda: cluster.status.get("weightProved") == 20)
    cluster.run(keeper, 3)
    cluster.traffic.down = "away"
    cluster.run(keeper, 3)
    text = generate_latest(tools.telemetry.registry).decode()
    place = 'namespace="default",rollout="bert"'
    assert f"bertmesh_rollout_weight{{{place}}} 20.0" in text
    assert f"bertmesh_rollout_weight_proved{{{place}}} 20.0" in text
    assert f"bertmesh_rollout_step{{{place}}} 1.0" in text
    assert f'bertmesh_rollout_verdict{{{place},verdict="hold"}} 1.0'.replace(place, place) in text
    assert 'bertmesh_rollout_evidence{metric="errors"' in text
    assert f"bertmesh_rollout_query_errors_total{{{place}}} " in text
    assert "bertmesh_rollout_reconcile_duration_seconds_count" in text
    moves = [span.attributes["bertmesh.weight"] for span in spans.get_finished_spans() if span.attributes]
    assert moves == [0, 0, 20]
    assert {span.name for span in spans.get_finished_spans()} == {"bertmesh.rollout.move"}


def test_the_command_wants_to_know_where_to_watch_and_where_to_ask() -> None:
    run = CliRunner().invoke
    assert "say which namespaces" in run(operator, []).output
    assert "say which namespaces" in run(operator, ["-A", "-n", "default"]).output
    assert "--lease-namespace must say" in run(operator, ["-A"]).output
    with pytest.raises(BadSettings, match="give one such as"):
        OperatorSettings("prometheus")
