"""Random ids: of requests, of answers. Version 4 of RFC 9562, as `uuid.uuid4` makes them.

The kernel is asked for the bytes of many at once: each time it is asked, Python's lock is let go, and under
load the thread waits for its turn again.
"""

import os
import uuid

_BYTES = 16
_AT_ONCE = 256

# Its end is taken by one instruction: threads need no lock.
_drawn: list[bytes] = []
os.register_at_fork(after_in_child=_drawn.clear)


def new_id() -> str:
    """Return an id that nobody has and nobody can guess."""
    try:
        content = _drawn.pop()
    except IndexError:
        content, *others = _draw()
        _drawn.extend(others)
    return str(uuid.UUID(bytes=content, version=4))


def _draw() -> list[bytes]:
    content = os.urandom(_BYTES * _AT_ONCE)
    return [content[start : start + _BYTES] for start in range(0, len(content), _BYTES)]
