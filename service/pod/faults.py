"""Faults for drills: a share of errors, added latency, a share of wrong answers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Self

from service.errors import SettingsError

VARIABLE = "BERTMESH_FAULT"
_UNITS_S = {"ms": 0.001, "s": 1.0}


@dataclass(frozen=True)
class Fault:
    """What goes wrong: shares of requests from 0 to 1, and seconds added to every request."""

    error: float = 0.0
    latency_s: float = 0.0
    wrong: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``error=0.3,latency=200ms,wrong=0.5``; every part may be left out.

        Raises:
            SettingsError: A part is unknown, or its value is out of range.
        """
        values: dict[str, float] = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if name == "latency":
                values["latency_s"] = _seconds(value)
            elif name in ("error", "wrong"):
                values[name] = _share(value)
            else:
                raise _bad(part)
        return cls(**values)


@dataclass(frozen=True)
class Fate:
    """What happens to one request."""

    error: bool = False
    latency_s: float = 0.0
    wrong: bool = False


class Faults:
    """Draws each request's fate; without a fault every request is spared."""

    def __init__(self, fault: Fault | None, random: Random, sleep: Callable[[float], None]) -> None:
        self._fault = fault
        self._random = random
        self._sleep = sleep

    def strike(self) -> Fate:
        """Draw a fate, wait its latency and return it."""
        if self._fault is None:
            return Fate()
        fate = Fate(
            error=self._random.random() < self._fault.error,
            latency_s=self._fault.latency_s,
            wrong=self._random.random() < self._fault.wrong,
        )
        if fate.latency_s:
            self._sleep(fate.latency_s)
        return fate


def _share(value: str) -> float:
    if not re.fullmatch(r"\d*\.?\d+|\d+\.", value) or not 0 <= float(value) <= 1:
        raise _bad(value)
    return float(value)


def _seconds(value: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s)", value)
    if not match:
        raise _bad(value)
    return float(match[1]) * _UNITS_S[match[2]]


def _bad(seen: str) -> SettingsError:
    return SettingsError(
        VARIABLE,
        seen=seen,
        needed="shares from 0 to 1 and a latency in ms or s",
        do="write it like error=0.3,latency=200ms,wrong=0.5",
    )
