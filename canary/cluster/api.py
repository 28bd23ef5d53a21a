"""ModelRollouts as people read and write them: every refusal of the API in a sentence for them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from canary.cluster.errors import NoModelRollouts, NoNamespace, NoSuchModelRollout
from canary.resource.spec import API_VERSION, GROUP, KIND, PLURAL
from mesh.cluster.api import MERGE, ApiResponse, ClusterApi

NOT_FOUND, CONFLICT = 404, 409
MANAGER: Final = "bertmesh-cli"
RIGHTS: Final[Mapping[str, str]] = {"GET": "get, list", "PATCH": "patch", "POST": "create"}

Document = dict[str, Any]


class ModelRollouts:
    """Those of one namespace, or with "" those of all."""

    def __init__(self, api: ClusterApi, namespace: str) -> None:
        self._api = api
        self.namespace = namespace

    def names(self) -> Sequence[str]:
        """Return the names of all; raises as `all` does."""
        return [each["metadata"]["name"] for each in self.all()]

    def all(self) -> Sequence[Document]:
        """Return all, by namespace and name.

        Raises:
            NoModelRollouts, NoNamespace: as their texts say.
            ClusterError: the API is down or refuses.
        """
        answer = self._good(self._api.request("GET", self._path()), "GET")
        if answer.code == NOT_FOUND:
            raise NoModelRollouts(self._api.url)
        items: list[Document] = answer.body.get("items", [])
        if not items:
            self._check_namespace()
        return sorted(items, key=lambda each: (each["metadata"]["namespace"], each["metadata"]["name"]))

    def get(self, name: str) -> Document:
        """Return one of them.

        Raises:
            NoSuchModelRollout: there is none of that name; and as `all` does.
        """
        answer = self._good(self._api.request("GET", self._path(name)), "GET")
        if answer.code == NOT_FOUND:
            raise NoSuchModelRollout(name, self.namespace, self.names())
        return answer.body

    def patch(self, name: str, body: Mapping[str, Any]) -> Document | None:
        """Merge into one of them; None if the resourceVersion in the body is not the present one.

        Raises:
            NoSuchModelRollout: there is none of that name any more.
            ClusterError: the API is down or refuses.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        path = self._path(name)
        answer = self._api.request("PATCH", path, query=query, body=body, content_type=MERGE)
        if answer.code == CONFLICT:
            return None
        if answer.code == NOT_FOUND:
            raise NoSuchModelRollout(name, self.namespace, self.names())
        return self._good(answer, "PATCH").body

    def create(self, document: Mapping[str, Any]) -> Document:
        """Create one.

        Raises:
            NoModelRollouts, NoNamespace: as their texts say.
            ClusterError: the API is down or refuses.
        """
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict"}
        answer = self._api.request("POST", self._path(), query=query, body=document)
        if answer.code == NOT_FOUND:
            self._check_namespace()
            raise NoModelRollouts(self._api.url)
        return self._good(answer, "POST").body

    def _path(self, name: str = "") -> str:
        within = f"/namespaces/{self.namespace}" if self.namespace else ""
        return f"/apis/{GROUP}/{API_VERSION}{within}/{PLURAL}{f'/{name}' if name else ''}"

    def _check_namespace(self) -> None:
        """Say that the namespace is not there, where that can be known."""
        if not self.namespace:
            return
        answer = self._api.request("GET", f"/api/v1/namespaces/{self.namespace}")
        if answer.code == NOT_FOUND:
            raise NoNamespace(self.namespace, self._api.url)

    def _good(self, answer: ApiResponse, method: str) -> ApiResponse:
        if answer.code != NOT_FOUND:
            answer.checked(f"{method.lower()} {KIND}s in {self._place()}", self._advice(answer.code, method))
        return answer

    def _advice(self, code: int, method: str) -> str:
        match code:
            case 401:
                return "sign in again; the kubeconfig's credentials are not accepted"
            case 403:
                role = "bertmesh-viewer" if method == "GET" else "bertmesh-releaser"
                rights = f"{RIGHTS[method]} on {PLURAL}.{GROUP}"
                return f"ask for the role {role} of deploy/rbac/people.yaml ({rights}) in {self._place()}"
            case _:
                return "mend what the answer names"

    def _place(self) -> str:
        return f"namespace {self.namespace}" if self.namespace else "all namespaces"
