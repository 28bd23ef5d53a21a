"""A request as gunicorn reads it, with a say in what becomes of its connection."""

from collections.abc import Callable
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import UnsupportedTransferCoding
from gunicorn.http.message import Request

_DRAINED_BYTES = 1 << 16
"""What gunicorn reads at most of a body that nobody wanted, before it rather ends the connection."""
_PLAIN = ("chunked", "identity")


class Incoming(Request):  # type: ignore[misc] # gunicorn has no types
    """A request whose answer says ``Connection: close`` whenever the connection will end.

    A client that is told so sends its next request elsewhere; one that is not would lose it.
    """

    def __init__(self, leaving: Callable[[], bool], *given: Any) -> None:  # noqa: ANN401 - gunicorn's own
        self._leaving = leaving
        self._last: bool | None = None
        super().__init__(*given)

    def set_body_reader(self) -> None:
        """Refuse codings that nobody would undo: gunicorn hands a compressed body on as it is."""
        super().set_body_reader()
        if isinstance(self.body.reader, ChunkedReader):
            named = ",".join(value for name, value in self.headers if name == "TRANSFER-ENCODING")
            if any(each.strip().lower() not in _PLAIN for each in named.split(",")):
                raise UnsupportedTransferCoding(named)

    def should_close(self) -> bool:
        """Return whether this is the connection's last request, decided when the answer begins."""
        # Once only: what the answer's header has said must hold after it, though the pod drains by then.
        if self._last is None:
            self._last = bool(super().should_close()) or self._unusable() or self._leaving()
        return self._last

    def _unusable(self) -> bool:
        unread = getattr(self.body.reader, "length", 0)
        return bool(self.body.failed) or unread >= _DRAINED_BYTES
