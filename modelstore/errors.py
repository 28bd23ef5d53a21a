"""What can be wrong with a model on disk; every message says what was seen, needed and what to do."""


class ModelStoreError(Exception):
    """Base of this package's errors."""

    def __init__(self, *, seen: str, needed: str, do: str) -> None:
        super().__init__(f"{seen}; {needed} needed: {do}")
        self.seen = seen
        self.needed = needed
        self.do = do


class UnknownVersion(ModelStoreError):
    """A reference names no version, folder or hub model that can be found."""


class ManifestError(ModelStoreError):
    """manifest.json or card.json is missing or does not say what it must."""


class DigestMismatch(ModelStoreError):
    """The files are not those that the manifest lists."""


class IncompleteModel(ModelStoreError):
    """A folder lacks a file without which no model can be loaded."""


class BadDelta(ModelStoreError):
    """A delta cannot be made of, or put on, these folders."""


class CacheUnusable(ModelStoreError):
    """The folder where deltas are put on their bases cannot be written: full, read-only, or no folder."""


class HubError(ModelStoreError):
    """A hub model could not be fetched."""


class BadUri(ModelStoreError):
    """A reference to a model elsewhere cannot be read."""


class RemoteError(ModelStoreError):
    """A model elsewhere is not there, is refused, or cannot be reached."""


class ChecksumMismatch(ModelStoreError):
    """What was fetched is not what was wanted."""


GOLDEN_EXAMPLE = '{"schema": 1, "sentences": [{"text": "今天天[MASK]很好。", "answers": ["气"]}]}'


class BadGolden(ModelStoreError):
    """A golden set that cannot be used."""

    def __init__(self, name: str, seen: str) -> None:
        super().__init__(
            seen=f"{name} is no golden set ({seen})",
            needed=f"{GOLDEN_EXAMPLE}: sentences, each with a text and its answers",
            do="mend it, or name another",
        )
