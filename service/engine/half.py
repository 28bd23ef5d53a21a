"""Conversions for a GPU: half the precision, the same torch engine.

The encoder computes in 16 bits. The head computes in float32, because scores decide by their last digits;
its weights are stored in float16 nevertheless, as other conversions store them.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from service.engine import Array, Item, Want
from service.engine.conversion import Conversion, unusable
from service.engine.gpu import Gpu, find
from service.engine.replay import TOKENS_AT_ONCE, Replays, Sizes
from service.engine.torch import TorchEngine, fused
from service.engine.weights import EMBEDDINGS, Shape, in_head
from service.errors import UnsupportedModel

WEIGHTS, CONFIG = "halves.safetensors", "config.json"
PRECISIONS = {"bf16": torch.bfloat16, "f16": torch.float16}

_ROOM = 512 << 20
"""Bytes for passes, their recordings and the libraries' workspaces. An estimate: it was never measured."""
_AT_LOAD = (16, 32, 48, 64, 96, 128)
"""One text of so many tokens is recorded at load, other sizes when they are first met."""
_MIB = 1 << 20


@dataclass(frozen=True)
class Halves:
    """Makes conversions of a model in Hugging Face layout, and loads them onto a GPU."""

    model: Path
    weights: Mapping[str, Array]
    threads: int
    gpu: Gpu

    @property
    def made_with(self) -> str:
        """The version of torch, and the GPU."""
        return f"torch {torch.__version__} on {self.gpu.name}"

    def write(self, folder: Path, precision: str) -> None:
        """Write the fused weights in half precision, with the model's configuration.

        Raises:
            OSError: They cannot be written.
        """
        weights = fused(dict(self.weights), Shape.read(self.model).layers)
        stored = {
            name: weight.to(torch.float16 if in_head(name) else PRECISIONS[precision])
            for name, weight in weights.items()
        }
        try:
            save_file(stored, folder / WEIGHTS)
        except SafetensorError as error:  # all that the library has for a full disk
            raise OSError(str(error)) from error
        shutil.copyfile(self.model / CONFIG, folder / CONFIG)

    def load(self, folder: Path) -> TorchEngine:
        """Load what was written."""
        return load(folder, self.threads, self.gpu)


def load(folder: Path, threads: int, gpu: Gpu | None = None) -> TorchEngine:
    """Load a conversion onto a GPU, the one there is if none is given; its passes are recorded.

    Raises:
        UnsupportedModel: The folder holds no whole conversion, there is no GPU, or it has too little memory.
    """
    conversion = Conversion.read(folder)
    gpu = gpu or find()
    for name in conversion.files:
        conversion.check(folder, name)
    torch.set_num_threads(threads)
    try:
        shape, weights = Shape.read(folder), load_file(folder / WEIGHTS)
        _require_room(weights, gpu)
        precision = PRECISIONS[conversion.precision]
        engine = TorchEngine(shape, weights, gpu.device, precision, _replays(shape, weights, precision, gpu))
        for length in _AT_LOAD:
            engine.run([Item((0,) * min(length, shape.positions), Want.FIRST)])
    except torch.OutOfMemoryError as error:
        raise _too_little(gpu, str(error)) from error
    except (KeyError, OSError, RuntimeError, SafetensorError) as error:
        raise unusable(folder, f"weights that cannot be computed with on {gpu.name} ({error!r})") from error
    return engine


def _replays(
    shape: Shape, weights: Mapping[str, torch.Tensor], precision: torch.dtype, gpu: Gpu
) -> Replays | None:
    if gpu.recorder is None:
        return None
    width = weights[EMBEDDINGS].shape[1]
    states = torch.empty(TOKENS_AT_ONCE, width, dtype=precision, device=gpu.device)
    return Replays(gpu.recorder(), Sizes(shape.positions), states)


def _require_room(weights: Mapping[str, torch.Tensor], gpu: Gpu) -> None:
    """See that weights fit onto a GPU, the head's in float32.

    Raises:
        UnsupportedModel: They do not.
    """
    sizes = {name: weight.numel() * (4 if in_head(name) else 2) for name, weight in weights.items()}
    needed = sum(sizes.values()) + _ROOM
    if needed > gpu.free:
        raise _too_little(gpu, f"{needed // _MIB:,} MiB")


def _too_little(gpu: Gpu, needed: str) -> UnsupportedModel:
    return UnsupportedModel(
        seen=f"{gpu.free // _MIB:,} MiB of free memory on {gpu.name}",
        needed=needed,
        do="free the former model or what else is on the GPU, or use an engine for the CPU",
    )
