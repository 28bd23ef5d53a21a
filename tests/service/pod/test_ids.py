"""Ids: random, in the standard's form, and never twice, whatever runs at the same time."""

import os
import uuid
from concurrent.futures import ThreadPoolExecutor

from service.pod.ids import new_id

MANY = 5000


def test_ids_are_version_4_in_their_usual_form() -> None:
    drawn = new_id()
    assert str(uuid.UUID(drawn)) == drawn
    assert (uuid.UUID(drawn).version, uuid.UUID(drawn).variant) == (4, uuid.RFC_4122)


def test_threads_never_draw_the_same_id() -> None:
    with ThreadPoolExecutor(8) as threads:
        drawn = list(threads.map(lambda _: new_id(), range(MANY)))
    assert len(set(drawn)) == MANY


def test_a_forked_process_draws_other_ids() -> None:
    new_id()  # now some are drawn in advance
    reads, writes = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writes, new_id().encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.close(writes)
    with os.fdopen(reads) as pipe:
        theirs = pipe.read()
    assert theirs
    assert theirs not in {new_id() for _ in range(MANY)}
