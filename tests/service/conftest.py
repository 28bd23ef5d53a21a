from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from transformers import BertForMaskedLM

from service.api.app import wrap
from service.pod.assembly import Pod, build
from service.pod.settings import Settings
from tests.service.tiny import write_model


@dataclass(frozen=True)
class Tiny:
    """The tiny model's folder, and the same model in transformers."""

    folder: Path
    reference: BertForMaskedLM

    def settings(self, **changes: object) -> Settings:
        """Return settings that serve it."""
        defaults = {
            "model": str(self.folder),
            "models_dir": self.folder.parent,
            "cache_dir": self.folder.parent,
            "cache_local_bytes": 0,  # so that each request comes to the model
        }
        return Settings(**(defaults | changes))  # type: ignore[arg-type] # the tests name real fields


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return Tiny(folder, write_model(folder))


@pytest.fixture(scope="module")
def pod(tiny: Tiny) -> Iterator[Pod]:
    pod = build(tiny.settings())
    pod.load()
    yield pod
    pod.close()


@pytest.fixture
def client(pod: Pod) -> FlaskClient:
    return wrap(pod).test_client()
