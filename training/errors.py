"""Everything that training can refuse to do, under one base class."""

from __future__ import annotations


class TrainingError(Exception):
    """Base of this package's errors; the text is for the person at the terminal."""

    def __init__(self, *, seen: str, needed: str, do: str) -> None:
        super().__init__(f"{seen}; {needed} needed: {do}")
        self.seen = seen
        self.needed = needed
        self.do = do


class BadSetting(TrainingError):
    """An environment variable holds a value that cannot be used."""


class FetchFailed(TrainingError):
    """A corpus package could not be downloaded or unpacked."""


class CorpusMissing(TrainingError):
    """A package was fetched but does not hold the text that was expected in it."""


class BadCheckpoint(TrainingError):
    """A checkpoint belongs to another run or cannot be read."""


class BadModelFolder(TrainingError):
    """A folder is not a model that this package can read."""


class NothingToEvaluate(TrainingError):
    """A held-out set has no sentence with a character that could be masked."""
