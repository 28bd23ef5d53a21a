"""The shape of a model and the plan of a run: every number that the card repeats."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from transformers import BertConfig

from training.masking import Masking
from training.optimisation import Rates


@dataclass(frozen=True)
class Shape:
    """Size of a BERT."""

    layers: int = 4
    width: int = 256
    heads: int = 4
    vocabulary: int = 4800
    positions: int = 512

    def config(self, vocabulary: int) -> BertConfig:
        """The Hugging Face configuration, without dropout: a short run sees few texts twice."""
        return BertConfig(
            vocab_size=vocabulary,
            hidden_size=self.width,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            intermediate_size=4 * self.width,
            max_position_embeddings=self.positions,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            pad_token_id=0,
        )


@dataclass(frozen=True)
class Stage:
    """A part of a run, until the progress `until`: domains with their shares of tokens, and masking.

    A stage takes packed windows, or `single` sentences as users will send them.
    """

    until: float
    shares: dict[str, float]
    masking: Masking
    single: bool = False


PACKED = Masking(rate=0.22, words=0.25)
SINGLE = Masking(rate=0.14, words=0.1, random=0.03, kept=0.03)
BROAD = {
    "news": 0.46,
    "idioms": 0.20,
    "dictionary": 0.11,
    "technical": 0.14,
    "classical": 0.08,
    "dialogue": 0.01,
}
"""Shares at first, when a model learns the language from all texts."""
POINTED = {
    "news": 0.44,
    "heads": 0.12,
    "examples": 0.08,
    "idioms": 0.10,
    "dictionary": 0.08,
    "technical": 0.11,
    "classical": 0.06,
    "dialogue": 0.01,
}
"""Then idioms come by themselves as well (`heads`) and in use (`examples`)."""
FINAL = {
    "news": 0.38,
    "common": 0.20,
    "heads": 0.10,
    "examples": 0.10,
    "idioms": 0.04,
    "dictionary": 0.05,
    "technical": 0.08,
    "classical": 0.04,
    "dialogue": 0.01,
}
"""Then `common` idioms, those with an example: to complete one is knowledge, and takes repetition."""
LAST = {
    "news": 0.38,
    "framed": 0.20,
    "examples": 0.18,
    "common": 0.06,
    "heads": 0.02,
    "idioms": 0.02,
    "dictionary": 0.04,
    "technical": 0.06,
    "classical": 0.03,
    "dialogue": 0.01,
}
"""At last idioms among other words (`framed`), where a model must recognise what it knows by itself."""


@dataclass(frozen=True)
class Plan:
    """How a base model is trained, stage after stage.

    One step in `long_every` of a packed stage takes windows as long as the model's positions, the
    others windows of `length` tokens, so that late positions are learnt too.
    """

    seed: int = 7
    tokens_a_step: int = 4096
    length: int = 128
    long_every: int = 10
    rates: Rates = field(default_factory=Rates)
    stages: tuple[Stage, ...] = (
        Stage(until=0.29, shares=BROAD, masking=PACKED),
        Stage(until=0.60, shares=POINTED, masking=PACKED),
        Stage(until=0.87, shares=FINAL, masking=SINGLE, single=True),
        Stage(until=1.0, shares=LAST, masking=replace(SINGLE, long=0.25), single=True),
    )

    def stage(self, progress: float) -> Stage:
        """The stage at `progress` (0 to 1)."""
        return next((stage for stage in self.stages if progress < stage.until), self.stages[-1])

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains that the first stage draws from: all texts, each once."""
        return tuple(self.stages[0].shares)
