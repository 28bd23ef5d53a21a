"""A server on the loopback address that speaks as the hubs do: S3, ModelScope, Hugging Face."""

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import orjson

COMMIT = "0123456789012345678901234567890123456789"
TOKEN = "sesame"  # noqa: S105 - a test's own
BUCKET = "store"


@dataclass
class Hub:
    """What a server has: names of files to their bytes. ``spoilt`` files come with another content."""

    files: Mapping[str, bytes]
    revision: str = "v1"
    spoilt: frozenset[str] = frozenset()
    url: str = ""
    asked: list[str] = field(default_factory=list)
    signed: list[str] = field(default_factory=list)

    def content(self, name: str) -> bytes | None:
        """Return what is sent for a file."""
        known = self.files.get(name)
        return b"spoilt" if known is not None and name in self.spoilt else known


def folder_files(folder: Path, prefix: str = "") -> dict[str, bytes]:
    """Return the files of a folder by their names."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {prefix + path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


@contextmanager
def served(hub: Hub) -> Iterator[Hub]:
    """Serve a hub."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        url = urlsplit(self.path)
        path, query = unquote(url.path), {key: values[0] for key, values in parse_qs(url.query).items()}
        self.hub.asked.append(self.path)
        self.hub.signed.append(self.headers.get("Authorization", ""))
        if path.startswith("/api/v1/models/"):
            self._modelscope(path, query)
        elif path.startswith(f"/{BUCKET}"):
            self._s3(path.removeprefix(f"/{BUCKET}").strip("/"), query)
        else:
            self._hugging_face(path)

    def _modelscope(self, path: str, query: Mapping[str, str]) -> None:
        if query.get("Revision") not in {self.hub.revision, "master"}:
            self._json({"Code": 10010205001, "Message": "revision not found", "Success": False}, status=404)
        elif path.endswith("/repo/files"):
            files = [
                {"Path": name, "Type": "blob", "Size": len(data), "Sha256": hashlib.sha256(data).hexdigest()}
                for name, data in self.hub.files.items()
            ]
            self._json({"Code": 200, "Data": {"Files": [*files, {"Path": "sub", "Type": "tree"}]}})
        else:
            self._bytes(self.hub.content(query["FilePath"]))

    def _s3(self, key: str, query: Mapping[str, str]) -> None:
        if not self.headers.get("Authorization", "").startswith("AWS4-HMAC-SHA256 Credential=me/"):
            text = "<Error><Code>AccessDenied</Code><Message>Access Denied.</Message></Error>"
            self._bytes(text.encode(), "application/xml", status=403)
        elif "list-type" in query:
            self._bytes(self._listing(query.get("prefix", "")).encode(), "application/xml")
        else:
            self._bytes(self.hub.content(key))

    def _listing(self, prefix: str) -> str:
        entries = "".join(
            f"<Contents><Key>{escape(name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f"<ETag>x</ETag><Size>{len(data)}</Size></Contents>"
            for name, data in self.hub.files.items()
            if name.startswith(prefix)
        )
        name = f"<Name>{BUCKET}</Name><IsTruncated>false</IsTruncated>"
        return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{name}{entries}</ListBucketResult>'

    def _hugging_face(self, path: str) -> None:
        if f"/tree/{COMMIT}" in path:
            files = self.hub.files.items()
            self._json(
                [{"type": "file", "path": name, "size": len(data), "oid": "x"} for name, data in files]
            )
            return
        if path.startswith("/api/models/"):
            if not path.endswith((f"/revision/{self.hub.revision}", f"/revision/{COMMIT}")):
                self._json(
                    {"error": "Invalid rev id"}, status=404, headers={"X-Error-Code": "RevisionNotFound"}
                )
                return
            siblings = [{"rfilename": name} for name in self.hub.files]
            self._json({"id": "a/b", "modelId": "a/b", "sha": COMMIT, "siblings": siblings, "tags": []})
            return
        data = self.hub.content(path.partition(f"/resolve/{COMMIT}/")[2])
        mark = hashlib.sha1(data or b"", usedforsecurity=False).hexdigest()
        self._bytes(data, headers={"ETag": f'"{mark}"', "X-Repo-Commit": COMMIT})

    def _json(self, document: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> None:  # noqa: ANN401 - any JSON
        self._bytes(orjson.dumps(document), "application/json", status=status, headers=headers)

    def _bytes(
        self,
        data: bytes | None,
        kind: str = "application/octet-stream",
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body = b"" if data is None else data
        self.send_response(404 if data is None else status)
        named = {"Content-Type": kind, "Content-Length": str(len(body)), "ETag": '"x"', **(headers or {})}
        for name, value in {**named, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)
