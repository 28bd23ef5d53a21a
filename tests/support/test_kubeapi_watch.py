"""Watches, by the real client."""

import threading
from collections.abc import Callable, Iterator
from itertools import islice
from queue import Queue
from typing import Any

import pytest
from kubernetes.client import ApiClient, ApiException, CoreV1Api
from kubernetes.watch import Watch

from tests.support.kubeapi import KubeApi
from tests.support.kubeapi.samples import config_map, untyped
from tests.support.processes import LIMIT_S

Event = tuple[str, str]


def told(client: ApiClient, **options: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - what a list takes
    core = untyped(CoreV1Api(client))
    return iter(
        untyped(Watch)().stream(core.list_namespaced_config_map, "default", timeout_seconds=60, **options)
    )


def names(events: Iterator[dict[str, Any]], count: int) -> list[Event]:
    return [(event["type"], event["object"].metadata.name) for event in islice(events, count)]


@pytest.fixture
def later() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Do something beside the test, when the first event was seen."""
    threads: list[threading.Thread] = []

    def start(do: Callable[[], object]) -> None:
        threads.append(threading.Thread(target=do))
        threads[-1].start()

    yield start
    for thread in threads:
        thread.join()


def test_a_watch_begins_with_what_is_there_and_goes_on_with_what_happens(
    api: KubeApi, client: ApiClient
) -> None:
    api.create(config_map({}, name="old"))
    events = told(client)
    assert names(events, 1) == [("ADDED", "old")]
    api.create(config_map({}, name="new"))
    api.edit("ConfigMap", "old", {"data": {"a": "1"}})
    api.delete("ConfigMap", "new")
    assert names(events, 3) == [("ADDED", "new"), ("MODIFIED", "old"), ("DELETED", "new")]


def test_a_watch_goes_on_from_a_revision(api: KubeApi, client: ApiClient) -> None:
    api.create(config_map({}, name="old"))
    since = untyped(CoreV1Api(client)).list_namespaced_config_map("default").metadata.resource_version
    api.create(config_map({}, name="new"))
    assert names(told(client, resource_version=since), 1) == [("ADDED", "new")]


def test_an_object_that_leaves_the_selection_is_deleted_for_the_watcher(
    api: KubeApi, client: ApiClient
) -> None:
    api.create(config_map({}, labels={"app": "bert"}))
    events = told(client, label_selector="app=bert")
    assert names(events, 1) == [("ADDED", "settings")]
    api.edit("ConfigMap", "settings", {"metadata": {"labels": {"app": "other"}}})
    api.edit("ConfigMap", "settings", {"metadata": {"labels": {"app": "bert"}}})
    assert names(events, 2) == [("DELETED", "settings"), ("ADDED", "settings")]


def test_a_revision_that_is_forgotten_is_gone(api: KubeApi, client: ApiClient) -> None:
    api.create(config_map({}, name="old"))
    since = untyped(CoreV1Api(client)).list_namespaced_config_map("default").metadata.resource_version
    api.create(config_map({}, name="new"))
    api.compact()
    core = untyped(CoreV1Api(client))
    with pytest.raises(ApiException) as refused:
        list(
            untyped(Watch)().stream(
                core.list_namespaced_config_map, "default", resource_version=since, timeout_seconds=1
            )
        )
    assert refused.value.status == 410


def test_a_bookmark_tells_the_newest_revision(api: KubeApi, client: ApiClient) -> None:
    api.create(config_map({}))
    revision = str(api.storage.revision)
    core = untyped(CoreV1Api(client))
    stream = untyped(Watch)().stream(
        core.list_namespaced_config_map, "default", allow_watch_bookmarks=True, timeout_seconds=1
    )
    last = None
    for event in stream:
        last = event
        if event["type"] == "BOOKMARK":
            break
    assert last is not None
    assert (last["type"], last["raw_object"]["metadata"]["resourceVersion"]) == ("BOOKMARK", revision)


def test_a_watch_ends_when_the_server_goes_down(
    api: KubeApi, client: ApiClient, later: Callable[[Callable[[], object]], None]
) -> None:
    api.create(config_map({}))
    seen: Queue[str] = Queue()

    def watch() -> None:
        try:
            for event in told(client):
                seen.put(event["type"])
        except Exception as error:  # noqa: BLE001 - whatever the client makes of it
            seen.put(type(error).__name__)
        seen.put("end")

    later(watch)
    assert seen.get(timeout=LIMIT_S) == "ADDED"
    api.stop()
    while seen.get(timeout=LIMIT_S) != "end":
        pass
    api.start()
