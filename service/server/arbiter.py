"""Gunicorn's master of a pod: signals that would make a second worker, and a patience that keeps time.

A pod is one worker: a second one beside it would need the model's memory twice and the gRPC port, which
the first one has. Gunicorn makes one on SIGHUP, SIGUSR2 and SIGTTIN; here the log says what to do instead.
"""

import signal
from collections.abc import Callable
from functools import partial
from time import monotonic, sleep
from typing import Any

import gunicorn.arbiter

_INSTEAD = {
    "SIGHUP": "for other settings start a new pod and end this one with SIGTERM, "
    "for another model `bertmesh models activate REF`",
    "SIGUSR2": "for another release start a new pod and end this one with SIGTERM",
    "SIGTTIN": "for more throughput start more pods",
    "SIGTTOU": "to end the pod send SIGTERM",
    "SIGWINCH": "to end the pod send SIGTERM",
}


class _Steady:
    """What the master reads of the module ``time``, all of it by the monotonic clock."""

    time = monotonic = staticmethod(monotonic)
    sleep = staticmethod(sleep)


def keep_one_worker(arbiter: Any) -> None:  # noqa: ANN401 - gunicorn has no types
    """Let a master leave signals alone that would change how many workers there are."""
    for name, instead in _INSTEAD.items():
        short = name.removeprefix("SIG").lower()
        setattr(arbiter, f"handle_{short}", _refusal(arbiter.log.warning, name, instead))


def keep_steady_time() -> None:
    """Let the master wait for its worker by the monotonic clock: a jump of the other would kill a drain."""
    gunicorn.arbiter.time = _Steady


def ignore_in_worker() -> None:
    """Let the worker live on when one of these signals is sent to all of a pod's processes."""
    for name in _INSTEAD:
        signal.signal(signal.Signals[name], signal.SIG_IGN)


def _refusal(warn: Callable[..., None], name: str, instead: str) -> Callable[[], None]:
    return partial(warn, "%s is ignored: a pod has one worker; %s", name, instead)
