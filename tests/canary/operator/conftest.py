"""A cluster for each test."""

from collections.abc import Iterator

import pytest

from tests.canary.operator.clusters import Cluster
from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.known import mesh_api


@pytest.fixture
def api() -> Iterator[KubeApi]:
    with mesh_api() as server:
        yield server


@pytest.fixture
def cluster(api: KubeApi) -> Cluster:
    return Cluster(api)
