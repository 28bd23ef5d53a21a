"""What the tests of several rooms share."""

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the controller's store is."""
    return tmp_path / "rollout"
