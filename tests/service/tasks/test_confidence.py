from typing import Any

import numpy as np
import pytest

from service.api.app import wrap
from service.pod.assembly import build
from service.tasks.confidence import FLOOR, unsure
from tests.service.conftest import Tiny


def candidates(*scores: float) -> list[dict[str, Any]]:
    return [{"token": "京", "score": score, "sequence": "北京", "offset": 1} for score in scores]


def test_an_answer_is_unsure_when_its_best_candidate_is_a_guess() -> None:
    assert unsure([candidates(0.9, 0.05), candidates(0.05, 0.04)]) == [False, True]


def test_the_floor_itself_is_sure_enough() -> None:
    assert unsure([candidates(FLOOR)]) == [False]


def test_each_mask_of_a_text_counts() -> None:
    masks = [candidates(0.9), candidates(0.09)]
    assert unsure([masks]) == [False, True]
    assert unsure([{"masks": masks, "sequences": []}]) == [False, True]


@pytest.mark.parametrize("answer", [[], {}, 0.3, np.zeros(4), [{"token": "京"}], None])
def test_answers_without_a_probability_do_not_count(answer: object) -> None:
    assert unsure([answer]) == []


def test_a_pod_counts_answers_and_those_it_is_unsure_of_by_route(tiny: Tiny) -> None:
    pod = build(tiny.settings(version="1.1"))
    pod.load()
    client = wrap(pod).test_client()
    asked = ("/fill-mask", {"text": ["中国的首都是[MASK]。", "北[MASK]"]})
    answered = client.post(asked[0], json=asked[1]).json["result"]  # type: ignore[index] # a JSON answer
    client.post(asked[0], json=asked[1], headers={"x-bertmesh-route": "1.0"})
    client.post("/feature-extraction", json={"text": "北京"})
    shown = client.get("/metrics").text.splitlines()
    pod.close()
    assert 'bertmesh_answers_total{model_version="1.1",route="primary"} 2.0' in shown
    assert 'bertmesh_answers_total{model_version="1.1",route="mirror"} 2.0' in shown
    low = 'bertmesh_low_confidence_total{model_version="1.1",route="primary"}'
    assert f"{low} {float(sum(unsure(answered)))}" in shown
