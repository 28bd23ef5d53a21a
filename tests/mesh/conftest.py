"""Says in the test run's summary against what the Istio documents were validated."""

import pytest

from tests.mesh.istio_schemas import crd_file


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    found = crd_file()
    crds = "the CRDs were not at hand" if found is None else f"against the CRDs in {found.name}"
    terminalreporter.write_line(f"Istio documents: validated against the models of cloudcoil (1.24); {crds}")
