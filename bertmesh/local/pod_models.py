"""Telling a running pod which model to serve, through the model repository API on its admin port."""

import json
from typing import Any

import urllib3

from bertmesh.errors import PodAway, PodRefused, UnknownPod, UnnamedVersion
from bertmesh.local.home import Home

HTTP_OK = 200
LOAD_LIMIT_S = 300.0
ASK_LIMIT_S = 5.0


def url_of(home: Home, pod: str) -> str:
    """Return the admin port of a pod of the running mesh.

    Raises:
        MeshNotRunning: No mesh runs in this home.
        UnknownPod: It has no pod of this name.
    """
    home.info()
    known = {name: process.admin for name, process in home.processes().items() if process.admin}
    if pod not in known:
        raise UnknownPod(pod, sorted(known))
    return known[pod]


def activate(url: str, ref: str) -> str:
    """Put ``name:version`` in service in the pod whose admin port is at ``url``; return what is served now.

    Raises:
        UnnamedVersion: The reference is not of this form.
        PodRefused: The pod says why not.
        PodAway: It does not answer.
    """
    name, colon, version = ref.partition(":")
    if not (name and colon and version) or "/" in ref:
        raise UnnamedVersion(ref)
    body = {"parameters": {"version": version}}
    _ask("POST", url, f"/v2/repository/models/{name}/load", LOAD_LIMIT_S, body)
    return str(_ask("GET", url, "/version", ASK_LIMIT_S)["model"])


def rollback(url: str) -> str:
    """Put the former model back in service in such a pod; return what is served now.

    Raises:
        PodRefused: The pod says why not: it keeps none, say.
        PodAway: It does not answer.
    """
    return str(_ask("POST", url, "/rollback", ASK_LIMIT_S)["model"])


def _ask(method: str, url: str, path: str, limit_s: float, body: object | None = None) -> dict[str, Any]:
    at = url.rstrip("/")
    try:
        response = urllib3.request(method, f"{at}{path}", json=body, timeout=limit_s, retries=False)
        document: dict[str, Any] = json.loads(response.data)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise PodAway(at, str(error)) from error
    if response.status != HTTP_OK:
        raise PodRefused(at, str(document.get("detail") or document.get("error") or document))
    return document
