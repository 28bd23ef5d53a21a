"""The ways to convert a model, the fastest first."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How many linear layers stay as they were trained, and what is computed in between.

    The layers that stay are those whose rounding changes the model's answers most.
    """

    name: str
    precision: str
    """f32 or bf16."""
    kept: float
    """The share of the layers that stay."""

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
    Recipe("bf16", "bf16", kept=1),
)

AUTO, TORCH = "auto", "torch"
CHOICES = (AUTO, TORCH, *(recipe.name for recipe in RECIPES))
"""What a pod can be told to compute with: the fastest faithful engine, torch, or one conversion."""
