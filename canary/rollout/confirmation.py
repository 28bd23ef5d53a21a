"""Who says that a split is live; nobody may, and then it is called assumed."""

from dataclasses import dataclass
from enum import StrEnum


class Source(StrEnum):
    """Who says so."""

    PROXIES = "proxies"
    """The proxies themselves."""
    COUNTS = "counts"
    """Their counts of requests, which would hardly be what they are if it were not so."""
    NOBODY = "nobody"
    """It was believed after some time, since nothing spoke against it."""


@dataclass(frozen=True)
class Confirmation:
    """Who says that a split is live, and in words how."""

    by: Source = Source.PROXIES
    words: str = ""

    @property
    def assumed(self) -> bool:
        """Whether nobody said so."""
        return self.by is Source.NOBODY


@dataclass(frozen=True)
class Doubt:
    """Why a split is not live yet as far as is known; ``alert`` says that a person should look."""

    words: str
    alert: bool = False
