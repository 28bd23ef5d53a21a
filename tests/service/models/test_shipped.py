"""The models in the repository, through the same code that serves them."""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import modelstore
from service.models.load import Model, load_model
from service.pod.predict import together
from service.pod.settings import Settings
from service.tasks.base import Query, Task
from service.tasks.fill_mask import FillMask
from service.tasks.filled import Filled
from service.tasks.similarity import Likeness, Similarity

MODELS = Path(os.environ.get("BERTMESH_MODELS_DIR") or Path(__file__).parents[3] / "models")

PARAPHRASES = (
    ("房间很小，但是很干净。", "客房不大，不过挺整洁。"),
    ("早餐品种太少了。", "早饭没什么可选的。"),
    ("这本书写得很好。", "书的内容非常不错。"),
    ("总统访问了法国。", "国家元首到法国进行访问。"),
    ("他们结婚已经十年了。", "两人结为夫妻有十年之久。"),
    ("火车站离这里不远。", "从这儿到火车站很近。"),
    ("工厂生产的汽车销量增加。", "这家厂的轿车卖得越来越多。"),
    ("明天可能会下雨。", "明日或许有雨。"),
    ("请把门关上。", "麻烦关一下门。"),
    ("国家加强环境保护。", "政府加大保护环境的力度。"),
    ("手机电池用不了多久。", "电池的续航时间很短。"),
    ("老人在树下下棋。", "几位老者坐在树荫里对弈。"),
)


@cache
def loaded(version: str, folder: Path) -> Model:
    settings = Settings(model=f"zh-small:{version}", models_dir=MODELS, cache_dir=folder, threads=1)
    found = modelstore.resolve(settings.model, root=MODELS, cache=folder)
    return load_model(found, settings.source)


@pytest.fixture(params=["1.0", "1.1-reviews"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return loaded(request.param, tmp_path_factory.getbasetemp() / "materialised")


def ask(model: Model, task: Task, *texts: str) -> object:
    return together([task.steps(Query(*texts), model.reader)], model.engine.run)[0]


def alike_by(model: Model, one: str, other: str) -> float:
    answer = ask(model, Similarity(), one, other)
    assert isinstance(answer, Likeness)
    return answer.share


def test_both_versions_are_there_and_intact() -> None:
    versions = modelstore.list_versions(MODELS)
    assert {"1.0", "1.1-reviews"} <= {version.version for version in versions}
    for version in versions:
        assert modelstore.verify(version.folder).digest == version.digest


def test_the_base_fits_in_12_mb_and_the_delta_in_6() -> None:
    sizes = {
        name: (MODELS / "zh-small" / name).stat().st_size
        for name in ("1.0/model.safetensors", "1.1-reviews/delta.safetensors")
    }
    assert sizes["1.0/model.safetensors"] <= 12e6
    assert sizes["1.1-reviews/delta.safetensors"] <= 6e6


def test_a_mask_inside_a_common_word_is_filled_with_the_rest_of_it(model: Model) -> None:
    answer = ask(model, FillMask(top_k=3), "为人民服[MASK]。")
    assert isinstance(answer, Filled)
    assert "务" in [candidate.token for candidate in answer.masks[0]]


def test_paraphrases_are_more_alike_than_unrelated_sentences(model: Model) -> None:
    scores = np.array([[alike_by(model, one, other) for _, other in PARAPHRASES] for one, _ in PARAPHRASES])
    alike, unrelated = np.diag(scores), scores[~np.eye(len(scores), dtype=bool)]
    assert np.mean(alike[:, None] > unrelated[None]) > 0.9
    assert np.median(unrelated) < 0.2 < np.median(alike)
