"""The first model, loaded in the background while the rest of the pod is imported."""

import pytest

from modelstore import ModelStoreError
from service.models.early import begin, first_model
from tests.service.conftest import Tiny


def test_a_model_begun_early_is_the_first_model(tiny: Tiny) -> None:
    source = tiny.settings().source
    begin(source)
    assert first_model(source).version.folder == tiny.folder


def test_a_model_that_is_not_there_fails_where_it_is_wanted_not_where_it_is_begun(tiny: Tiny) -> None:
    source = tiny.settings(model=str(tiny.folder / "nowhere")).source
    begin(source)  # and does not wait for what never comes
    with pytest.raises(ModelStoreError):
        first_model(source)


def test_a_model_that_was_not_begun_is_loaded_when_it_is_wanted(tiny: Tiny) -> None:
    source = tiny.settings().source
    begin(source)
    first_model(source)
    assert first_model(source).version.folder == tiny.folder
