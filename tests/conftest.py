"""How the suite is spread over processes: a file stays together, and so does all that shares the mesh."""

import pytest
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

LOCAL = "tests/local/"

# How long an example takes is the machine's business, and a run finds what the run before found.
settings.register_profile(
    "any machine", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


class ByFile(LoadScopeScheduling):
    """Gives a process a file at a time, and the tests of the local mesh as if they were one file.

    The mark xdist_group would do, but xdist 3.8 looks for it where pytest 9.2 no longer keeps it.
    """

    def _split_scope(self, nodeid: str) -> str:
        return LOCAL if nodeid.startswith(LOCAL) else nodeid.split("::", maxsplit=1)[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    return ByFile(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the mesh, which takes longest: what comes last should be short."""
    items.sort(key=lambda item: not item.nodeid.startswith(LOCAL))
