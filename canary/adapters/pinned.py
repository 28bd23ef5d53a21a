"""Asks one version through the gateway, by its pin header: for masks, or only whether it answers."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import urllib3

from canary.controller.ports import Reached
from observability.names import VERSION_HEADER

BATCH: Final = 4
"""Small, so that live requests to the stable need not wait behind many sentences."""
TIMEOUT_S: Final = 10.0
HTTP_OK: Final = 200
SERVER_ERROR: Final = 500
TOKEN_WANTED: Final = (401, 403)
PATH: Final = "/fill-mask"

Tokens = tuple[str, ...]


class PinnedCandidates:
    """Fills masks through the gateway at ``url``; what goes wrong is no answer, never an error.

    Where requests need a token, the file ``token`` has it; it is read each time, for tokens are renewed.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, token: Path | None = None) -> None:
        self._root = url.rstrip("/")
        self._url = self._root + PATH
        self._token = token
        self._pool = urllib3.PoolManager(timeout=urllib3.Timeout(total=timeout_s), retries=False)
        self.trouble = ""
        """Why what was asked last had no answer; empty if it had one."""

    def fill(self, version: str, texts: Sequence[str], top: int) -> list[Tokens | None]:
        """Return the best ``top`` tokens for the mask of each text; None where there was no answer.

        Where nobody is reached, the rest is not asked.
        """
        found: list[Tokens | None] = []
        for start in range(0, len(texts), BATCH):
            try:
                found += self._batch(version, texts[start : start + BATCH], top)
            except urllib3.exceptions.HTTPError as error:
                self.trouble = f"{self._url} is not reached: {_words(error)}"
                return [*found, *[None] * (len(texts) - len(found))]
        return found

    def reach(self, version: str) -> Reached:
        """Return whether a request with the version's header was answered by that version."""
        try:
            answer = self._pool.request("GET", f"{self._root}/", headers={VERSION_HEADER: version})
        except urllib3.exceptions.HTTPError as error:
            return Reached(None, f"{self._root} does not answer ({error})")
        return reached(version, answer.status, answer.headers.get(VERSION_HEADER))

    def _batch(self, version: str, texts: Sequence[str], top: int) -> list[Tokens | None]:
        answer = self._pool.request(
            "POST",
            self._url,
            body=json.dumps({"text": list(texts), "top_k": top}),
            headers={"content-type": "application/json", VERSION_HEADER: version, **self._authorization()},
        )
        try:
            document = json.loads(answer.data) if answer.status == HTTP_OK else {}
        except ValueError:
            document = {}
        found = _tokens(document, version, len(texts))
        who = f"with {answer.status}" if answer.status != HTTP_OK else f"without an answer of {version}"
        needs = (
            ": if it wants a token, name one in the chart's mesh.jwt.ownToken"
            if answer.status in TOKEN_WANTED
            else ""
        )
        self.trouble = f"{self._url} answers {who}{needs}" if None in found else ""
        return found

    def _authorization(self) -> dict[str, str]:
        try:
            token = self._token.read_text(encoding="ascii").strip() if self._token else ""
        except (OSError, ValueError):
            token = ""  # whoever wants one says so
        return {"authorization": f"Bearer {token}"} if token else {}


def _words(error: urllib3.exceptions.HTTPError) -> str:
    """Return what went wrong, without the connection that urllib3 puts before it."""
    return str(error).partition(": ")[2] or type(error).__name__


def reached(version: str, status: int, answered: str | None) -> Reached:
    """Return what an answer to a pinned request says; ``answered`` is the version in its header, if any.

    Without that header it is not known who answered: a proxy that found no pod (5xx), or one that refused it.
    """
    if answered is not None:
        return Reached(answered == version, f"{answered} answered it")
    if status >= SERVER_ERROR:
        return Reached(answered=False, words=f"it was answered with {status}")
    return Reached(None, f"it was answered with {status}, and by no version")


def _tokens(document: Any, version: str, count: int) -> list[Tokens | None]:  # noqa: ANN401 - any JSON
    """Read an answer; one of another version is none, because the pin did not hold."""
    try:
        if document["model"]["version"] != version or len(document["result"]) != count:
            return [None] * count
        return [tuple(candidate["token"] for candidate in found) for found in document["result"]]
    except (KeyError, TypeError):
        return [None] * count
