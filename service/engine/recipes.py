"""The ways to convert a model, the likely fastest first."""

from collections.abc import Mapping
from dataclasses import dataclass

from service.engine import Array
from service.engine.quantise import GROUP, Float, Linear, dynamic, static


@dataclass(frozen=True)
class Recipe:
    """Which linear layers become static or dynamic 8-bit layers, and what the rest is computed in.

    Layers are chosen by the part of a transformer layer that they are (`service.engine.graph.PARTS`).
    """

    name: str
    precision: str
    static: frozenset[str] = frozenset()
    dynamic: frozenset[str] = frozenset()

    @property
    def group(self) -> int:
        """Channels that dynamic layers round together; 0 where there are none."""
        return GROUP if self.dynamic else 0

    @property
    def in_bytes(self) -> bool:
        """Whether any layer has weights of 8 bits."""
        return bool(self.static or self.dynamic)

    @property
    def in_halves(self) -> bool:
        """Whether all weights may be stored in 16 bits: what computes in 16 bits needs no more."""
        return self.precision != "f32" and not self.in_bytes

    def layer(self, name: str, layer: Float, inputs: Mapping[str, Array]) -> Linear:
        """Return the layer as this recipe computes it."""
        part = name.partition(".")[2]
        if part in self.static:
            return static(layer, inputs[name])
        if part in self.dynamic:
            return dynamic(layer, inputs[name])
        return layer


RECIPES = (
    Recipe("int8", "bf16", static=frozenset({"fused", "out", "up", "down"})),
    # GELU's outputs have the longest tails, and so lose most in a range found beforehand.
    Recipe("int8-mixed", "bf16", static=frozenset({"fused", "out", "up"}), dynamic=frozenset({"down"})),
    Recipe("int8-dynamic", "bf16", dynamic=frozenset({"fused", "out", "up", "down"})),
    Recipe("bf16", "bf16"),
)
