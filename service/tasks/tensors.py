"""Tensors that a task answers with. No I/O."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Tensor:
    """An output tensor as a model's metadata describe it; -1 stands for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Output:
    """An output tensor; ``data`` is flat: an array, or a list of strings."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    data: NDArray[np.float32] | NDArray[np.int64] | list[str]


def floats(name: str, values: ArrayLike) -> Output:
    """Return numbers as a tensor."""
    array = np.asarray(values, dtype=np.float32)
    return Output(name, "FP32", array.shape, array.ravel())


def integers(name: str, values: ArrayLike) -> Output:
    """Return whole numbers as a tensor."""
    array = np.asarray(values, dtype=np.int64)
    return Output(name, "INT64", array.shape, array.ravel())
