import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes.client import ApiClient

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with mesh_api() as server:
        yield server


@pytest.fixture
def client(api: KubeApi) -> ApiClient:
    return api.client()


@pytest.fixture
def kubectl(api: KubeApi, tmp_path: Path) -> list[str]:
    """The beginning of a kubectl command line."""
    found = shutil.which("kubectl")
    if found is None:
        pytest.skip("kubectl is not on this machine")
    return [found, "--kubeconfig", str(api.kubeconfig(tmp_path / "kubeconfig"))]
