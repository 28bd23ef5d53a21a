"""Safetensors files as named bytes, whatever the dtype (numpy knows no bfloat16).

The format is 8 bytes of header length, a JSON header and the data:
https://huggingface.co/docs/safetensors/index#format
"""

import json
import math
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from modelstore.errors import BadDelta

_LENGTH = 8
_ALIGNMENT = 8
_METADATA = "__metadata__"


@dataclass(frozen=True)
class Tensor:
    """A tensor as it lies in the file; ``dtype`` is the format's name (F16, BF16, ...)."""

    dtype: str
    shape: tuple[int, ...]
    data: memoryview

    @property
    def width(self) -> float:
        """Bytes an element."""
        return len(self.data) / max(math.prod(self.shape), 1)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors (mapped, not copied) and the metadata of a safetensors file.

    Raises:
        BadDelta: The file is missing or not a complete safetensors file.
    """
    _check(path)
    with path.open("rb") as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    start = _LENGTH + int.from_bytes(view[:_LENGTH], "little")
    header = json.loads(bytes(view[_LENGTH:start]))
    metadata = header.pop(_METADATA, {})
    return {name: _tensor(entry, view[start:]) for name, entry in header.items()}, metadata


def write(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, widest dtypes first, so that every tensor lies aligned."""
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].width, item[0])))
    header: dict[str, Any] = {_METADATA: dict(metadata)}
    offset = 0
    for name, tensor in ordered.items():
        end = offset + len(tensor.data)
        header[name] = {"dtype": tensor.dtype, "shape": tensor.shape, "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % _ALIGNMENT)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH, "little") + text)
        for tensor in ordered.values():
            file.write(tensor.data)


def _check(path: Path) -> None:
    """Let the library judge the file: lengths, offsets, dtypes, no gaps."""
    try:
        with safe_open(str(path), framework="numpy"):
            return
    except FileNotFoundError as error:
        raise BadDelta(
            seen=f"no {path.name} in {path.parent}",
            needed="one safetensors file with the weights",
            do="save the model unsharded, with safe serialisation",
        ) from error
    except SafetensorError as error:
        raise BadDelta(
            seen=f"{path} that safetensors refuses ({error})",
            needed="a complete safetensors file",
            do="fetch the version again",
        ) from error


def _tensor(entry: Mapping[str, Any], data: memoryview) -> Tensor:
    start, end = entry["data_offsets"]
    return Tensor(entry["dtype"], tuple(entry["shape"]), data[start:end])
