"""The API server as a node sees it: documents, awaited, and what becomes of the objects of a kind."""

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from kubernetes.client import ApiClient, ApiException

from mesh.cluster.api import MERGE, NOT_FOUND, ApiResponse, ClusterApi
from mesh.cluster.errors import ApiDown

Document = dict[str, Any]

TIMEOUT_S: Final = 15.0
WATCH_S: Final = 240
AGAIN_S: Final = 0.5
LOG: Final = logging.getLogger("node")
# The package says no types of this.
CALL: Final[Any] = ApiClient.call_api


@dataclass(frozen=True)
class Change:
    """An object as it is now, or as it was when it went."""

    document: Document
    gone: bool = False

    @property
    def uid(self) -> str:
        """Whom it is about."""
        return str(self.document["metadata"]["uid"])


Tell = Callable[[Change], None]


class Refused(Exception):
    """The API server said no."""

    def __init__(self, method: str, path: str, answer: ApiResponse) -> None:
        self.code = answer.code
        super().__init__(f"{method} {path}: {answer.code} {answer.reason}")


class Api:
    """Reads, writes and watches; every method but `watch` ends in bounded time."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        self._api = ClusterApi(client, timeout_s=TIMEOUT_S)

    async def get(self, path: str) -> Document | None:
        """Return an object or a list, or None if it is not there; raises Refused, ApiDown."""
        return await self._ask("GET", path)

    async def post(self, path: str, body: Mapping[str, Any]) -> Document:
        """Make an object and return it; raises Refused, ApiDown."""
        return await self._ask("POST", path, body) or {}

    async def merge(self, path: str, body: Mapping[str, Any]) -> Document | None:
        """Merge ``body`` into an object; return it, or None if it is gone. Raises Refused, ApiDown."""
        return await self._ask("PATCH", path, body)

    async def delete(self, path: str, *, uid: str, grace_s: int = 0) -> None:
        """Delete an object unless it is gone, or another one by now; raises Refused, ApiDown."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "gracePeriodSeconds": grace_s,
            "preconditions": {"uid": uid},
        }
        with suppress(Refused):
            await self._ask("DELETE", path, body)

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Document | None:
        kind = MERGE if method == "PATCH" else "application/json"
        answer = await asyncio.to_thread(self._api.request, method, path, body=body, content_type=kind)
        if answer.code == NOT_FOUND and method != "POST":
            return None
        if not answer.ok:
            raise Refused(method, path, answer)
        return answer.body

    def watch(self, path: str, tell: Tell, listed: Callable[[], None] = lambda: None) -> None:
        """Tell of all objects at ``path``, now and when they change, from a thread into the running loop.

        ``listed`` is called each time that all objects there are have been told of.
        """
        loop = asyncio.get_running_loop()
        watch = _Watch(
            self._client, path, lambda change: _call(loop, tell, change), lambda: _call(loop, listed)
        )
        threading.Thread(target=watch.run, name=f"watch {path}", daemon=True).start()


def _call(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: object) -> None:
    # The loop is closed when the node ends; nobody wants to know any more.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


class _Watch:
    """Lists and watches one path for ever; what vanished between two lists is told as gone."""

    def __init__(self, client: ApiClient, path: str, tell: Tell, listed: Callable[[], None]) -> None:
        self._client = client
        self._path = path
        self._tell = tell
        self._listed = listed
        self._known: dict[str, Document] = {}

    def run(self) -> None:
        while True:
            try:
                version = self._list()
                while True:
                    version = self._follow(version)
            except (urllib3.exceptions.HTTPError, ApiException, OSError, ValueError, _Outdated) as error:
                LOG.info("the watch of %s begins again: %s", self._path, error)
                time.sleep(AGAIN_S)

    def _list(self) -> str:
        found = json.loads(self._open({}).data)
        if "items" not in found:
            raise _Outdated(str(found.get("message")))
        there = {each["metadata"]["uid"]: each for each in found["items"]}
        for uid in self._known.keys() - there.keys():
            self._tell(Change(self._known[uid], gone=True))
        self._known = there
        for each in there.values():
            self._tell(Change(each))
        self._listed()
        return str(found["metadata"]["resourceVersion"])

    def _follow(self, version: str) -> str:
        """Tell of changes until the watch ends; return the version of the last one."""
        query = {"watch": "true", "resourceVersion": version, "timeoutSeconds": str(WATCH_S)}
        for line in self._open({**query, "allowWatchBookmarks": "true"}):
            event = json.loads(line)
            document = event["object"]
            if event["type"] == "ERROR":
                raise _Outdated(document.get("message"))
            version = document["metadata"]["resourceVersion"]
            if event["type"] != "BOOKMARK":
                self._note(Change(document, gone=event["type"] == "DELETED"))
        return version

    def _note(self, change: Change) -> None:
        if change.gone:
            self._known.pop(change.uid, None)
        else:
            self._known[change.uid] = change.document
        self._tell(change)

    def _open(self, query: Mapping[str, str]) -> urllib3.HTTPResponse:
        call = self._client.param_serialize(
            "GET", self._path, None, list(query.items()), {"Accept": "application/json"}, None,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        answer = CALL(self._client, *call, _request_timeout=(5, WATCH_S + 30)).response
        assert isinstance(answer, urllib3.HTTPResponse)
        return answer


class _Outdated(Exception):
    """What was known is too old, or could not be read: list again."""


__all__ = ["Api", "ApiDown", "Change", "Document", "Refused"]
