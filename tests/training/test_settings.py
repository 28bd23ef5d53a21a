"""What training reads from its environment."""

from pathlib import Path

import pytest

from training.errors import BadSetting
from training.settings import Settings


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = Settings.from_environment({})
    assert settings.cache == Path.home() / ".cache" / "bertmesh" / "corpora"
    assert settings.threads == 1


def test_the_environment_overrides_the_defaults() -> None:
    settings = Settings.from_environment({"BERTMESH_CORPORA": "/c", "BERTMESH_TRAIN_THREADS": "2"})
    assert (settings.cache, settings.threads) == (Path("/c"), 2)


@pytest.mark.parametrize("threads", ["0", "two", "-1", "1.5"])
def test_a_senseless_number_of_threads_is_refused(threads: str) -> None:
    with pytest.raises(BadSetting, match="BERTMESH_TRAIN_THREADS"):
        Settings.from_environment({"BERTMESH_TRAIN_THREADS": threads})
