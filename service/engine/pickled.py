"""Weights as torch pickled them before there was safetensors."""

from pathlib import Path
from typing import Any

import torch

from service.engine import Array


def load(path: Path) -> dict[str, Array]:
    """Return all tensors of floating point, in float32; nothing but tensors is unpickled."""
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return {name: tensor.float().numpy() for name, tensor in found.items() if tensor.is_floating_point()}
