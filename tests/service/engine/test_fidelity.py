from collections.abc import Sequence

import numpy as np

from service.engine import Array, Item, Want
from service.engine.fidelity import Answers, Fidelity

MASK = 9
WORDS, WIDTH = 50, 8
TEXTS = [(1, *range(10, 10 + length), 2) for length in range(2, 30)]


class NoisyEngine:
    """Makes up answers from the ids; ``noise`` is how far off they are."""

    positions, vocabulary = 64, WORDS

    def __init__(self, noise: float = 0.0) -> None:
        self._noise = noise

    def run(self, items: Sequence[Item]) -> list[Array]:
        return [self._answer(item) for item in items]

    def _answer(self, item: Item) -> Array:
        shape = (len(item.positions), WORDS) if item.want is Want.LOGITS else (WIDTH,)
        own = np.random.default_rng([*item.ids, *item.positions])
        answer: Array = own.standard_normal(shape).astype(np.float32)
        return answer + np.float32(self._noise) * own.standard_normal(shape).astype(np.float32)


def fidelity(engine: NoisyEngine) -> Fidelity:
    return Fidelity.between(Answers.of(engine, TEXTS, MASK), Answers.of(NoisyEngine(), TEXTS, MASK))


def test_an_engine_is_faithful_to_itself() -> None:
    found = fidelity(NoisyEngine())
    assert found.passes
    assert (round(found.cosine, 6), found.top_1, found.top_5) == (1, 1, 1)


def test_a_noisy_engine_does_not_pass() -> None:
    found = fidelity(NoisyEngine(noise=0.3))
    assert not found.passes
    assert found.least_cosine < found.cosine < 0.999
    assert found.top_5 < 0.99


def test_near_ties_alone_cost_agreement_but_no_cosine() -> None:
    found = fidelity(NoisyEngine(noise=0.01))
    assert found.cosine > 0.999
    assert 0.9 < found.top_5 < 1


def test_the_record_says_how_much_was_compared() -> None:
    record = fidelity(NoisyEngine()).as_dict()
    assert record["texts"] == len(TEXTS)
    assert record["masks"] > 200
    assert record["passes"] is True
