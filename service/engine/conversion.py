"""What is known of a converted model; stands beside its files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from service.errors import UnsupportedModel

FORMAT = 1
"""Raised when files of older conversions cannot be used any more."""
RECORD = "conversion.json"


@dataclass(frozen=True)
class Conversion:
    """How a model was converted, and how faithful the result is."""

    recipe: str
    precision: str
    """What is computed between the linear layers: f32 or bf16."""
    positions: int
    vocabulary: int
    made_with: str
    """OpenVINO's version."""
    fidelity: Mapping[str, float] = field(default_factory=dict)
    """See `service.engine.fidelity.Fidelity`; empty before it is measured."""
    tokens_per_s: float = 0.0
    """Measured where it was converted, on texts of the sample."""
    format: int = FORMAT

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
            raise _unusable(folder, error) from error
        if conversion.format != FORMAT:
            raise _unusable(folder, conversion.format)
        return conversion

    def write(self, folder: Path) -> None:
        """Write the record; last, because it says that the other files are whole."""
        text = json.dumps(asdict(self), ensure_ascii=False, indent=2, sort_keys=True)
        (folder / RECORD).write_text(f"{text}\n", encoding="utf-8")


def _unusable(folder: Path, seen: object) -> UnsupportedModel:
    return UnsupportedModel(
        seen=f"a record of a conversion in {folder} that cannot be used ({seen})",
        needed=f"a conversion of format {FORMAT}",
        do="convert the model again",
    )
