"""The Kubernetes API as far as routes need it: read an object, apply one on the server, in bounded time."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import urllib3
from kubernetes import client, config

from mesh.cluster.errors import ApiDown, ApiRefused, KindMissing, NoCluster, WebhookAway
from mesh.cluster.read import called

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
BUSY: Final = frozenset({429, 500, 502, 503, 504})
WEBHOOK: Final = "failed calling webhook"
"""What the API server says of a webhook that it cannot ask."""
NOT_FOUND: Final = 404
CONFLICT: Final = 409
PLURALS: Final[Mapping[str, str]] = {
    "VirtualService": "virtualservices",
    "DestinationRule": "destinationrules",
    "HTTPRoute": "httproutes",
    "Gateway": "gateways",
    "Service": "services",
    "Deployment": "deployments",
    "ModelRollout": "modelrollouts",
    "Lease": "leases",
    "Event": "events",
}

SERVICE_HOST: Final = "KUBERNETES_SERVICE_HOST"
# The package says no types of these.
IN_CLUSTER: Final[Any] = config.load_incluster_config
FROM_FILE: Final[Any] = config.load_kube_config
READ: Final[Any] = client.rest.RESTResponse.read

Document = dict[str, Any]


class Conflicted(Exception):
    """The object is not what it was when it was read (409)."""


@dataclass(frozen=True)
class ApiResponse:
    """What the API said."""

    code: int
    body: Document

    @property
    def ok(self) -> bool:
        """Whether the API did what it was asked to do."""
        return self.code < 300  # noqa: PLR2004 - the first code that is no success

    @property
    def reason(self) -> str:
        """The API's own words."""
        return str(self.body.get("message") or self.body.get("reason") or "no reason given")

    def checked(self, tried: str, advice: str) -> Document:
        """Return the body.

        Raises:
            ApiRefused: the API said no to what was ``tried``; ``advice`` is what to do.
        """
        if self.ok:
            return self.body
        raise ApiRefused(tried, self.code, self.reason, advice)


def connect(context: str | None = None, kubeconfig: str | None = None) -> client.ApiClient:
    """Return a client: of the pod that we run in, or as ``kubeconfig`` (a path) says.

    Raises:
        NoCluster: there is no usable configuration.
    """
    settings = client.Configuration(retries=False)
    try:
        if context is None and kubeconfig is None and SERVICE_HOST in os.environ:
            IN_CLUSTER(client_configuration=settings)
        else:
            FROM_FILE(kubeconfig, context, client_configuration=settings)
    except config.ConfigException as error:
        raise NoCluster(str(error)) from error
    return client.ApiClient(settings)


class ClusterApi:
    """Reads and writes single objects; every call ends within ``timeout_s`` seconds."""

    def __init__(self, api: client.ApiClient, *, timeout_s: float = 5.0) -> None:
        """Take the client of the package kubernetes; make it with ``retries=False``, as `connect` does."""
        self._api = api
        self._timeout_s = timeout_s

    @property
    def url(self) -> str:
        """The API's address."""
        return str(self._api.configuration.host)

    def get(self, like: Mapping[str, Any]) -> Document | None:
        """Return the object with the kind, namespace and name of ``like``, or None.

        Raises:
            ClusterError: the API is down, refuses, or does not know the kind.
        """
        answer = self.request("GET", path_of(like))
        if answer.code == NOT_FOUND:
            if not answer.body.get("details", {}).get("name"):
                raise KindMissing(like["kind"], like["apiVersion"])
            return None
        return answer.checked(f"read {called(like)}", _advice(answer.code, like))

    def apply(self, document: Mapping[str, Any], manager: str, *, subresource: str = "") -> Document:
        """Apply a document on the server as ``manager``, taking its fields over, and return the whole object.

        Raises:
            Conflicted: it names a resourceVersion that is not the present one.
            ClusterError: the API is down, refuses, or does not know the kind.
        """
        query = {"fieldManager": manager, "force": "true", "fieldValidation": "Strict"}
        path = path_of(document) + (f"/{subresource}" if subresource else "")
        answer = self.request("PATCH", path, query=query, body=document, content_type=APPLY)
        if answer.code == CONFLICT:
            raise Conflicted(answer.reason)
        if answer.code == NOT_FOUND:
            raise KindMissing(document["kind"], document["apiVersion"])
        return answer.checked(f"write {called(document)}", _advice(answer.code, document))

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
    ) -> ApiResponse:
        """Send one request and return the answer, whatever it is, unless the API is down or busy.

        Raises:
            ApiDown: no answer in time, or one that says to come later.
        """
        self._admit(method, path)
        headers = {"Accept": "application/json", "Content-Type": content_type}
        call = self._api.param_serialize(
            method, path, None, list((query or {}).items()), headers, dict(body or {}) or None,
            auth_settings=["BearerToken"],
        )  # fmt: skip
        try:
            response = self._api.call_api(*call, _request_timeout=self._timeout_s)
            text = READ(response)
        except (urllib3.exceptions.HTTPError, client.ApiException, OSError) as error:
            raise ApiDown(self.url, str(getattr(error, "reason", error))) from error
        answer = ApiResponse(response.status, _document(text))
        if answer.code in BUSY:
            away = WebhookAway if WEBHOOK in answer.reason else ApiDown
            raise away(self.url, f"{answer.code} {answer.reason}")
        return answer

    def _admit(self, method: str, path: str) -> None:
        """Let every request pass; who guards them overrides this."""


def path_of(document: Mapping[str, Any]) -> str:
    """Return the path of a namespaced object."""
    metadata, version = document["metadata"], document["apiVersion"]
    root = f"/apis/{version}" if "/" in version else f"/api/{version}"
    return f"{root}/namespaces/{metadata['namespace']}/{PLURALS[document['kind']]}/{metadata['name']}"


def _document(text: bytes) -> Document:
    try:
        found = json.loads(text)
    except ValueError:
        return {"message": text[:200].decode("utf-8", "replace")}
    return found if isinstance(found, dict) else {}


def _advice(code: int, about: Mapping[str, Any]) -> str:
    kind, namespace = PLURALS[about["kind"]], about["metadata"]["namespace"]
    match code:
        case 401:
            return "check the controller's token or kubeconfig"
        case 403:
            return f"give the controller's Role get, create and patch on {kind} in namespace {namespace}"
        case _:
            return "this is a mistake in bertmesh or an admission rule of the cluster; the answer says which"
