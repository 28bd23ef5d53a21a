"""How the suite is spread over processes: a file stays together, and so does what shares the mesh."""

from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        where = item.path.relative_to(HERE)
        group = "local" if where.parts[0] == "local" else str(where)
        item.add_marker(pytest.mark.xdist_group(group))
