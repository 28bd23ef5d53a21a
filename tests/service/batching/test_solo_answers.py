"""Batching never mixes answers up: over HTTP, whatever comes at the same time, each is its solo answer.

Two computations of one text differ by rounding alone: batches of other shapes add up the same numbers
in another order. By `tests.service.tiny.close` a logit moves by at most 2e-4 + 1e-4 of itself, which is
below 1.3e-3 for this model's (they stay below 11). A softmax multiplies that at most by two in the
logarithm, once for the logit and once for the sum: a probability moves by less than 0.26 % of itself.
The k-th best of perturbed scores moves no further than the scores themselves, so that lists are
compared place by place even where near ties change places.
"""

import json
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from random import Random
from threading import Event
from typing import Any

import pytest
from flask import Flask

from service.api.app import wrap
from service.engine import Array, Engine, Item
from service.pod.assembly import Pod, build
from service.text.sentences import SENTENCES
from tests.service.conftest import Tiny
from tests.support.processes import LIMIT_S, wait_until

MASK = "[MASK]"
MOVES = 2.6e-3
REQUESTS, AT_ONCE = 120, 24


@dataclass
class Gated:
    """An engine that waits until the test lets it go; notes how many items came together."""

    engine: Engine
    open: Event
    most: int = 0

    @property
    def positions(self) -> int:
        return self.engine.positions

    @property
    def vocabulary(self) -> int:
        return self.engine.vocabulary

    def run(self, items: Sequence[Item]) -> Sequence[Array]:
        assert self.open.wait(LIMIT_S)
        self.most = max(self.most, len(items))
        return self.engine.run(items)


@pytest.fixture
def gated(tiny: Tiny) -> Iterator[tuple[Pod, Gated]]:
    pod = build(tiny.settings(deadline_s=60.0))
    pod.load()
    first = pod.slots.newest
    assert first is not None
    gate = Gated(first.model.engine, Event())
    model = replace(first.model, chosen=replace(first.model.chosen, engine=gate))
    pod.slots.put(pod.serve(model, first.predictor.version))
    yield pod, gate
    pod.close()


def masked(random: Random) -> str:
    """Return some sentences one after the other, often longer than the model, with one to three masks."""
    text = list("".join(random.sample(SENTENCES, random.choice([1, 1, 2, 12]))))
    for place in random.sample(range(len(text)), random.randint(1, 3)):
        text[place] = MASK
    return "".join(text)


def ask(app: Flask, body: dict[str, Any]) -> list[Any]:
    answer = app.test_client().post("/fill-mask", json=body)
    assert answer.status_code == 200, answer.data
    result: list[Any] = json.loads(answer.data)["result"]
    return result


def lists(result: Any) -> list[list[dict[str, Any]]]:  # noqa: ANN401 - one mask's answer, or several masks'
    found: list[list[dict[str, Any]]] = result["masks"] if isinstance(result, dict) else [result]
    return found


def require_same(seen: list[dict[str, Any]], solo: list[dict[str, Any]], text: str) -> None:
    """Assert that one mask's candidates are those of the solo answer, up to rounding."""
    assert [each["score"] for each in seen] == pytest.approx([each["score"] for each in solo], rel=MOVES)
    known = {each["token"]: each["score"] for each in solo}
    for each in seen:
        # What is new can only have taken the last places, from others that are as good.
        assert each["score"] == pytest.approx(known.get(each["token"], solo[-1]["score"]), rel=MOVES)
        start = each["offset"]
        before, after = text[:start], text[start + len(MASK) :]
        assert each["sequence"] == before + each["token"].removeprefix("##") + after


def test_under_random_concurrency_the_masks_of_each_text_are_filled_as_they_are_alone(
    gated: tuple[Pod, Gated],
) -> None:
    pod, gate = gated
    app, random = wrap(pod), Random(11)
    bodies: list[dict[str, Any]] = [
        {"text": [masked(random) for _ in range(random.choice([1, 1, 2, 5]))], "top_k": random.randint(1, 9)}
        for _ in range(REQUESTS)
    ]
    gate.open.set()
    solo = [[ask(app, body | {"text": [text]})[0] for text in body["text"]] for body in bodies]
    gate.open.clear()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(ask, app, body) for body in bodies]
        wait_until(lambda: pod.waiting_tokens() > 256, "requests wait together")
        gate.open.set()
        answers = [future.result() for future in futures]
    assert gate.most > 5
    for body, seen, alone in zip(bodies, answers, solo, strict=True):
        for text, one, other in zip(body["text"], seen, alone, strict=True):
            for mine, needed in zip(lists(one), lists(other), strict=True):
                require_same(mine, needed, text)
