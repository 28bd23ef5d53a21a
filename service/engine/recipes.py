"""The ways to convert a model, for each device the fastest first."""

from dataclasses import dataclass

CPU, CUDA = "cpu", "cuda"


@dataclass(frozen=True)
class Recipe:
    """How many linear layers stay as they were trained, and what is computed in between.

    The layers that stay are those whose rounding changes the model's answers most.
    """

    name: str
    precision: str
    """f32, bf16 or f16."""
    kept: float = 1
    """The share of the layers that stay."""
    device: str = CPU
    """What computes the result: cpu (OpenVINO) or cuda (torch)."""

    @property
    def in_bytes(self) -> bool:
        """Whether any layer has weights of 8 bits."""
        return self.kept < 1

    @property
    def in_halves(self) -> bool:
        """Whether all weights may be stored in 16 bits: what computes in 16 bits needs no more."""
        return self.precision != "f32" and not self.in_bytes


RECIPES = (
    Recipe("int8", "bf16", kept=0),
    Recipe("int8-75", "bf16", kept=0.25),
    Recipe("int8-50", "bf16", kept=0.5),
    Recipe("int8-38", "bf16", kept=0.625),
    Recipe("bf16", "bf16"),
    # Last, so that a GPU that cannot compute a model keeps no conversion for the CPU from being made.
    Recipe("cuda-bf16", "bf16", device=CUDA),
    Recipe("cuda-fp16", "f16", device=CUDA),
)

AUTO, OPENVINO, TORCH = "auto", "openvino", "torch"
UNCONVERTED = (OPENVINO, TORCH)
"""What computes a model's own weights, in float32."""
CHOICES = (AUTO, *UNCONVERTED, *(recipe.name for recipe in RECIPES))
"""What a pod can be told to compute with: the fastest faithful engine, the model's own weights, or one
conversion."""
