"""From a request to what it is about and to its answer; no sockets here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.kubeapi import discovery, protobuf, scale
from tests.support.kubeapi.access import Access
from tests.support.kubeapi.problem import ApiError, bad_request, forbidden, not_found
from tests.support.kubeapi.selectors import Test, by_fields, by_labels
from tests.support.kubeapi.table import table, wanted
from tests.support.kubeapi.target import Options, Target
from tests.support.kubeapi.verbs import APPLY, Verbs
from tests.support.kubeapi.watch import Watch

Document = dict[str, Any]
WATCH_S = 1800.0
WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def token(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def content_type(self) -> str:
        return self.headers.get("content-type", "application/json").partition(";")[0].strip()

    @property
    def manager(self) -> str:
        """The field manager: as said, or the client's name, as in the real server."""
        agent = self.headers.get("user-agent", "unknown").partition("/")[0]
        return self.query.get("fieldManager") or ("unknown" if self.content_type == APPLY else agent)

    @property
    def options(self) -> Options:
        return Options(
            manager=self.manager,
            force=self.query.get("force") == "true",
            dry_run=self.query.get("dryRun") == "All",
            validation=self.query.get("fieldValidation", "Warn"),
        )

    def document(self) -> Document:
        if protobuf.is_protobuf(self.body):
            return protobuf.document(self.body)
        try:
            found: Document = json.loads(self.body or b"{}")
        except ValueError as error:
            message = f"couldn't get version/kind; json parse error: {error}"
            raise bad_request(message) from error
        return found


@dataclass(frozen=True)
class Answer:
    """A code with a body, or with a stream of events."""

    code: int
    body: Document = field(default_factory=dict)
    watch: Watch | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Router:
    """Answers requests."""

    verbs: Verbs
    access: Access

    def answer(self, request: Request) -> Answer:
        """Answer one request; errors come back as Status objects."""
        try:
            return self._answer(request)
        except ApiError as error:
            return Answer(error.code, error.status())

    def _answer(self, request: Request) -> Answer:
        parts = tuple(part for part in request.path.split("/") if part)
        if parts in (("healthz",), ("livez",), ("readyz",)):
            return Answer(200, {"status": "ok"})
        found = discovery.answer(self.verbs.registry, parts)
        if found is not None:
            return Answer(200, found)
        if parts[:2] == ("apis", "authentication.k8s.io") and parts[-1] == "selfsubjectreviews":
            return Answer(
                201, {**request.document(), "status": {"userInfo": {"username": self.user(request)}}}
            )
        target = self.target(parts)
        verb = self.verb(request, target)
        if not self.access.allows(request.token, verb, target):
            raise forbidden(request.token, verb, target.kind.full_name)
        return getattr(self, f"_{verb}")(request, target)  # type: ignore[no-any-return] # all of them return Answer

    def user(self, request: Request) -> str:
        """Return the name of who asks: the token is the name, and without one it is the admin."""
        return request.token or "admin"

    def target(self, parts: tuple[str, ...]) -> Target:
        """Return what a path names.

        Raises:
            ApiError: 404, when there is no such kind.
        """
        group, version, rest = _split_group(parts)
        # /namespaces/x is an object, /namespaces/x/services a place.
        namespace = ""
        if rest[:1] == ("namespaces",) and len(rest) > 2 and rest[2] not in ("status", "finalize"):
            namespace, rest = rest[1], rest[2:]
        kind = self.verbs.registry.find(group, version, rest[0]) if rest else None
        if kind is None or len(rest) > 3:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        name, subresource = (*rest[1:], "", "")[:2]
        if subresource and subresource not in kind.subresources:
            raise not_found(kind.full_name, f"{name}/{subresource}")
        return Target(kind, version, namespace, name, subresource)

    def verb(self, request: Request, target: Target) -> str:
        """Return the verb as Roles name it."""
        if request.method == "GET":
            if request.query.get("watch") in ("true", "1"):
                return "watch"
            return "get" if target.name else "list"
        if request.method == "DELETE" and not target.name:
            return "deletecollection"
        if request.method not in WRITES:
            raise ApiError(405, "MethodNotAllowed", f"{request.method} is not allowed")
        return WRITES[request.method]

    def _get(self, request: Request, target: Target) -> Answer:
        if target.subresource == "scale":
            return Answer(200, scale.read(self.verbs, target))
        document = self.verbs.get(target)
        if wanted(request.headers.get("accept", "")):
            return Answer(200, table(target.kind, [document], document["metadata"]["resourceVersion"]))
        return Answer(200, document)

    def _list(self, request: Request, target: Target) -> Answer:
        selected = selection(request)
        revision, found = self.verbs.storage.all(target.kind.key, target.namespace or None)
        documents = [document for document in found if selected(document)]
        if wanted(request.headers.get("accept", "")):
            return Answer(200, table(target.kind, documents, str(revision)))
        head = {"kind": f"{target.kind.name}List", "apiVersion": target.api_version}
        listed = [{**document, "apiVersion": target.api_version} for document in documents]
        return Answer(200, {**head, "metadata": {"resourceVersion": str(revision)}, "items": listed})

    def _watch(self, request: Request, target: Target) -> Answer:
        seen = request.query.get("resourceVersion", "")
        initial = request.query.get("sendInitialEvents") == "true"
        watch = Watch(
            storage=self.verbs.storage,
            target=target,
            selected=selection(request),
            since=None if initial or seen in ("", "0") else int(seen),
            seconds=float(request.query.get("timeoutSeconds", WATCH_S)),
            bookmarks=request.query.get("allowWatchBookmarks") == "true",
            initial_end=initial,
        )
        return Answer(200, watch=watch)

    def _create(self, request: Request, target: Target) -> Answer:
        options = request.options
        document = self.verbs.create(target, request.document(), options)
        return Answer(201, document, warnings=tuple(options.warnings))

    def _update(self, request: Request, target: Target) -> Answer:
        options = request.options
        write: Callable[[Target, Document, Options], Document] = self.verbs.update
        if target.subresource == "scale":
            return Answer(200, scale.write(self.verbs, target, request.document(), options))
        return Answer(200, write(target, request.document(), options), warnings=tuple(options.warnings))

    def _patch(self, request: Request, target: Target) -> Answer:
        options = request.options
        if target.subresource == "scale":
            new = scale.patched(self.verbs, target, request.content_type, request.document())
            return Answer(200, scale.write(self.verbs, target, new, options))
        with self.verbs.storage.lock:
            there = self.verbs.storage.get(target.kind.key, target.place) is not None
            # Who creates by apply needs both rights, as in the real server.
            if not there and not self.access.allows(request.token, "create", target):
                raise forbidden(request.token, "create", target.kind.full_name)
            document = self.verbs.patch(target, request.content_type, request.body, options)
        return Answer(200 if there else 201, document, warnings=tuple(options.warnings))

    def _delete(self, request: Request, target: Target) -> Answer:
        return Answer(200, self.verbs.delete(target, request.document(), request.options))

    def _deletecollection(self, request: Request, target: Target) -> Answer:
        selected = selection(request)
        _, found = self.verbs.storage.all(target.kind.key, target.namespace or None)
        for document in filter(selected, found):
            one = Target(
                target.kind,
                target.version,
                document["metadata"].get("namespace", ""),
                document["metadata"]["name"],
            )
            self.verbs.delete(one, {}, request.options)
        return Answer(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


def _split_group(parts: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    match parts:
        case ("api", version, *rest):
            return "", version, tuple(rest)
        case ("apis", group, version, *rest):
            return group, version, tuple(rest)
        case _:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")


def selection(request: Request) -> Test:
    """Return the test that the request's selectors are."""
    labels = by_labels(request.query.get("labelSelector", ""))
    fields = by_fields(request.query.get("fieldSelector", ""))
    return lambda document: labels(document) and fields(document)
