from collections.abc import Iterator

import pytest

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import UPSTREAM, crd_file, mesh_api


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    missing = [pattern for pattern in UPSTREAM if crd_file(pattern) is None]
    told = f"not at hand: {', '.join(missing)}" if missing else "at hand, Istio's and the Gateway API's"
    terminalreporter.write_line(f"Routes on a cluster: the CRDs that check them were {told}")


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with mesh_api() as server:
        yield server
