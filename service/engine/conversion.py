"""What is known of a converted model; stands beside its files."""

import json
import mmap
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import xxhash

from service.engine.pace import heavy
from service.engine.recipes import CPU
from service.errors import UnsupportedModel

FORMAT = 4
"""Raised when files of older conversions cannot be used any more."""
RECORD = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """How a model was converted, and how faithful the result is."""

    recipe: str
    precision: str
    """What is computed between the linear layers: f32, bf16 or f16."""
    positions: int
    vocabulary: int
    made_with: str
    """The version of OpenVINO, or of torch and the GPU's name."""
    fidelity: Mapping[str, float] = field(default_factory=dict)
    """See `service.engine.fidelity.Fidelity`; empty before it is measured."""
    tokens_per_s: float = 0.0
    """Measured where it was converted, on texts of the sample."""
    sentence_ms: float = 0.0
    """How long one sentence alone takes; measured in the same place."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The checksum of each file, by name: XXH3 of 64 bits, in hexadecimal, finds what a disk or a broken copy
    does, at 17 GB/s (CRC-32: 7). Malice it does not find, but who can write here can write this too."""
    size: int = 0
    """The bytes of all files."""
    format: int = FORMAT
    device: str = CPU
    """What computes it, see `service.engine.recipes.Recipe`."""

    @property
    def faithful(self) -> bool:
        """Whether its answers may stand for the model's own."""
        return bool(self.fidelity.get("passes", False))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read the record in a folder.

        Raises:
            UnsupportedModel: There is none, or it is of another format.
        """
        try:
            found = json.loads((folder / RECORD).read_bytes())
            conversion = cls(**found)
        except (OSError, ValueError, TypeError) as error:
            raise unusable(folder, f"a record that cannot be read ({error})") from error
        if conversion.format != FORMAT:
            raise unusable(folder, f"a record of format {conversion.format}, not {FORMAT}")
        return conversion

    def write(self, folder: Path) -> None:
        """Write the record; last, because it says that the other files are whole."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2, sort_keys=True)
        (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")

    def check(self, folder: Path, name: str, content: mmap.mmap | None = None) -> None:
        """Compare a file with its checksum; it is read here if its content is not given.

        Raises:
            UnsupportedModel: It is missing, or not what was written.
        """
        wanted = self.files.get(name)
        try:
            found = _checksum(folder / name) if content is None else heavy(_sum, content)
        except OSError as error:
            raise unusable(folder, f"a file that cannot be read ({error})") from error
        if wanted is None or found != wanted:
            raise unusable(folder, f"{name} with the checksum {found}, not {wanted},")


def checksums(folder: Path) -> dict[str, str]:
    """Return the checksum of each file in a folder, but for the record."""
    return {path.name: _checksum(path) for path in sorted(folder.iterdir()) if path.name != RECORD}


def unusable(folder: Path, seen: str) -> UnsupportedModel:
    """Return the error for a folder that holds no whole conversion."""
    return UnsupportedModel(
        seen=f"in the conversion {folder} {seen}",
        needed=f"the files as they were converted, in format {FORMAT}",
        do="convert the model again with `bertmesh models convert`",
    )


def _checksum(path: Path) -> str:
    """Sum up a file in one piece: reading it bit by bit would wait for Python's lock at each bit."""
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return _sum(b"")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _sum(content)


def _sum(content: bytes | mmap.mmap) -> str:
    return xxhash.xxh3_64_hexdigest(content)
