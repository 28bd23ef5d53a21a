"""Who may see the page, and who may press its buttons."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from flask import Request, Response

from canary.console.errors import ForeignHost, ForeignOrigin
from canary.console.settings import Settings

COOKIE: Final = "bertmesh-console"
FIELD: Final = "token"
MAX_NAME: Final = 80
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: with that, browsers send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class RequestGuard:
    """Checks requests; ``secret`` is made at each start, so that a token is good for one console only."""

    settings: Settings
    secret: bytes

    def check_host(self, request: Request) -> None:
        """Refuse names that are not ours: another site's name may lead to the loopback address.

        Raises:
            ForeignHost: as its text says.
        """
        if _name(request.host) not in self.settings.known_hosts:
            raise ForeignHost(request.host, self.settings.known_hosts)

    def check_command(self, request: Request) -> None:
        """Refuse a command that this page did not send: its origin and its token must be ours.

        Raises:
            ForeignOrigin: as its text says.
        """
        origin = request.headers.get("Origin", "")
        if urlsplit(origin).netloc.lower() != request.host.lower():
            raise ForeignOrigin
        visitor = request.cookies.get(COOKIE, "")
        token = request.form.get(FIELD, "")
        if not visitor or not hmac.compare_digest(self.token(visitor).encode(), token.encode()):
            raise ForeignOrigin

    def visitor(self, request: Request) -> str:
        """Return the browser's random name, a new one on its first visit."""
        return request.cookies.get(COOKIE) or secrets.token_urlsafe(18)

    def token(self, visitor: str) -> str:
        """Return the token that this browser's forms carry."""
        return hmac.new(self.secret, visitor.encode(), hashlib.sha256).hexdigest()

    def who(self, request: Request) -> str:
        """Return the name for the audit entry: what the gateway says, or that nobody said it."""
        header = self.settings.identity_header
        name = request.headers.get(header, "") if header else ""
        return "".join(filter(str.isprintable, name)).strip()[:MAX_NAME] or self.settings.nobody


def protect(response: Response, visitor: str) -> Response:
    """Return an answer with the headers that keep others out of the page."""
    response.headers.update(HEADERS)
    response.set_cookie(COOKIE, visitor, httponly=True, samesite="Strict", path="/")
    return response


def _name(host: str) -> str:
    """Return the name or address of a Host header, without the port."""
    name, colon, port = host.lower().rpartition(":")
    return name if colon and port.isdigit() else host.lower()
