"""Telling a running pod which model to serve, through its model repository API."""

import json
from typing import Any

import urllib3

from bertmesh.errors import NoWayBack, PodAway, PodRefused, UnknownPod, UnnamedVersion
from bertmesh.home import Home, read_json

HTTP_OK = 200
LOAD_LIMIT_S = 300.0
ASK_LIMIT_S = 5.0


def url_of(home: Home, pod: str) -> str:
    """Return where a pod of the running mesh answers.

    Raises:
        MeshNotRunning: No mesh runs in this home.
        UnknownPod: It has no pod of this name.
    """
    home.info()
    path = home.prometheus / "targets" / "pods.json"
    rows = read_json(path) if path.exists() else []
    known = {row["labels"]["pod"]: f"http://{row['targets'][0]}" for row in rows}
    if pod not in known:
        raise UnknownPod(pod, sorted(known))
    return str(known[pod])


class PodModels:
    """The models of the pod at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._http = urllib3.PoolManager(retries=False)

    def activate(self, ref: str) -> str:
        """Put ``name:version`` in service, wait until it answers, and return what is served now.

        Raises:
            UnnamedVersion: The reference is not of this form.
            PodRefused: The pod says why not.
            PodAway: It does not answer.
        """
        name, colon, version = ref.partition(":")
        if not (name and colon and version) or "/" in ref:
            raise UnnamedVersion(ref)
        body = {"parameters": {"version": version}}
        self._ask("POST", f"/v2/repository/models/{name}/load", LOAD_LIMIT_S, body)
        return str(self._version()["model"])

    def rollback(self) -> str:
        """Put the former model back in service and return what is served now.

        Raises:
            NoWayBack: The pod keeps none.
            PodRefused: The pod says why not.
            PodAway: It does not answer.
        """
        former = self._version().get("former")
        if not former:
            raise NoWayBack(self._url)
        return self.activate(str(former))

    def _version(self) -> dict[str, Any]:
        return self._ask("GET", "/version", ASK_LIMIT_S)

    def _ask(self, method: str, path: str, limit_s: float, body: object | None = None) -> dict[str, Any]:
        try:
            response = self._http.request(method, f"{self._url}{path}", json=body, timeout=limit_s)
            document: dict[str, Any] = json.loads(response.data)
        except (urllib3.exceptions.HTTPError, ValueError) as error:
            raise PodAway(self._url, str(error)) from error
        if response.status != HTTP_OK:
            raise PodRefused(self._url, str(document.get("detail") or document.get("error") or document))
        return document
