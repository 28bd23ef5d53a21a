import json
from collections.abc import Callable
from urllib.parse import parse_qs

import pytest
from flask import Flask, request

from bertmesh.local.ports import free_port
from canary.console.ports import Rates
from canary.console.traffic import PrometheusTraffic
from canary.settings import Settings

Serve = Callable[[Flask], str]


def prometheus(answers: Callable[[str], str | None], status: int = 200) -> Flask:
    """Return a Prometheus that answers each query with one value, or with none."""
    app = Flask("prometheus")

    def query() -> tuple[str, int]:
        value = answers(parse_qs(request.query_string.decode())["query"][0])
        rows = [] if value is None else [{"metric": {}, "value": [0, value]}]
        return json.dumps({"status": "success", "data": {"result": rows}}), status

    app.add_url_rule("/api/v1/query", view_func=query)
    return app


def traffic(url: str | None) -> PrometheusTraffic:
    return PrometheusTraffic(lambda: url, Settings())


def test_rates_are_of_primary_traffic_and_failures_a_share_of_it(serve: Serve) -> None:
    asked: list[str] = []

    def answers(query: str) -> str:
        asked.append(query)
        return "17.5" if "quantile" in query else "0.5" if "5..|0" in query else "20"

    assert traffic(serve(prometheus(answers))).rates("", ["1.1"]) == {"1.1": Rates(20.0, 0.025, 17.5)}
    assert all('destination_version="1.1",bertmesh_route=~"|1\\\\.1"' in query for query in asked)
    assert all("[60s]" in query for query in asked)


def test_a_version_without_traffic_has_no_figures(serve: Serve) -> None:
    def answers(query: str) -> str | None:
        return "NaN" if "quantile" in query else None

    assert traffic(serve(prometheus(answers))).rates("", ["1.1"]) == {"1.1": Rates(None, None, None)}


@pytest.mark.parametrize("named", [False, True])
def test_without_prometheus_there_are_no_figures(*, named: bool) -> None:
    url = f"http://127.0.0.1:{free_port()}" if named else None
    assert traffic(url).rates("", ["1.0", "1.1"]) == {}


def test_an_answer_that_is_none_makes_no_figures(serve: Serve) -> None:
    app = Flask("another server")
    app.add_url_rule("/api/v1/query", view_func=lambda: "<html>")
    assert traffic(serve(app)).rates("", ["1.1"]) == {}
