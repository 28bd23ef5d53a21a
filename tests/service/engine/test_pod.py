"""A pod whose engine is a conversion: the same answers, told of everywhere, swapped as any other."""

import json
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelstore import resolve
from service.api.app import wrap
from service.batching.deadline import Deadline
from service.engine.conversion import Conversion
from service.engine.select import conversions
from service.errors import UnsupportedModel
from service.models.early import begin, first_model
from service.pod.assembly import Pod, build
from service.pod.predict import Predictor
from service.pod.swap import Swapper
from service.tasks.base import Answer, Query, Task
from service.tasks.features import Features, Vector
from service.tasks.fill_mask import FillMask
from service.tasks.filled import Filled
from service.tasks.similarity import Likeness, Similarity
from tests.service.conftest import Tiny
from tests.service.tiny import CHARACTERS

TASKS: tuple[Task, ...] = (Features(), Similarity(), FillMask(top_k=3))
FILL = {"text": "中国的首都是[MASK]。"}


@pytest.fixture(scope="session")
def cache(tiny: Tiny, converted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the tiny model's conversions, where pods look for them."""
    folder = tmp_path_factory.mktemp("cache")
    digest = resolve(str(tiny.folder), root=folder, cache=folder).digest
    shutil.copytree(converted, conversions(folder, digest))
    return folder


@contextmanager
def pod_with(tiny: Tiny, cache: Path, engine: str, **changes: object) -> Iterator[Pod]:
    pod = build(tiny.settings(cache_dir=cache, engine=engine, **changes))
    pod.load()
    try:
        yield pod
    finally:
        pod.close()


@pytest.fixture(scope="module")
def packed(tiny: Tiny, cache: Path) -> Iterator[Pod]:
    with pod_with(tiny, cache, "f32") as pod:
        yield pod


def answer(predictor: Predictor, task: Task, query: Query) -> Answer:
    return predictor.predict(task, [query], Deadline(monotonic, monotonic() + 30, 30)).answers[0]


def query(task: Task, text: str) -> Query:
    match task:
        case FillMask():
            return Query(f"{text}[MASK]{text[::-1]}")
        case Similarity():
            return Query(text, text[::-1] + "好")
        case _:
            return Query(text)


def alike(seen: Answer, needed: Answer) -> bool:
    """Whether two answers are the same but for the last digits."""
    match seen, needed:
        case Filled(), Filled():
            return [each.token for each in seen.masks[0]] == [each.token for each in needed.masks[0]]
        case Likeness(), Likeness():
            return abs(seen.share - needed.share) < 1e-3
        case Vector(), Vector():
            return bool(np.allclose(seen.numbers, needed.numbers, atol=1e-3))
        case _:
            return False


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_a_packed_engine_answers_as_torch_does(tiny: Tiny, cache: Path, packed: Pod, task: Task) -> None:
    with pod_with(tiny, cache, "torch") as exact:
        for length in (1, 2, 7, 40):
            asked = query(task, "".join(CHARACTERS[length : 2 * length]))
            assert alike(answer(packed.predictor, task, asked), answer(exact.predictor, task, asked)), asked


TEXTS = st.lists(
    st.tuples(st.sampled_from(TASKS), st.text(st.sampled_from(CHARACTERS), min_size=1, max_size=100)),
    min_size=1,
    max_size=24,
)


@given(asked=TEXTS, threads=st.integers(1, 12))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_however_many_ask_at_once_each_gets_its_own_answer(
    packed: Pod, asked: Sequence[tuple[Task, str]], threads: int
) -> None:
    predictor = packed.predictor

    def ask(one: tuple[Task, str]) -> Answer:
        return answer(predictor, one[0], query(*one))

    with ThreadPoolExecutor(threads) as pool:
        together = list(pool.map(ask, asked))
    for seen, one in zip(together, asked, strict=True):
        assert alike(seen, ask(one)), one


def test_metadata_metrics_and_card_name_the_engine(packed: Pod) -> None:
    client = wrap(packed).test_client()
    told = json.loads(client.get("/version").data)
    assert told["engine"]["name"] == "f32"
    assert told["engine"]["faithful"] is True
    assert told["engine"]["fidelity"]["top_5"] == 1
    assert "bf16" in told["card"]["engines"]
    assert json.loads(client.get(f"/v2/models/{told['name']}").data)["platform"] == "bertmesh_f32"
    assert 'bertmesh_engine_info{asked="f32",engine="f32",faithful="true"' in client.get("/metrics").text


def test_a_pod_that_was_told_nothing_takes_the_fastest_that_is_faithful(tiny: Tiny, cache: Path) -> None:
    with pod_with(tiny, cache, "auto") as pod:
        assert pod.served is not None
        assert pod.served.model.chosen.name != "torch"
        assert pod.served.model.chosen.faithful


def test_an_unfaithful_engine_is_told_of_and_keeps_its_answers_to_itself(
    tiny: Tiny, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(cache, tmp_path, dirs_exist_ok=True)
    (folder,) = (path.parent for path in tmp_path.glob("converted/*/*/int8/conversion.json"))
    record = json.loads((folder / "conversion.json").read_text())
    record["fidelity"]["passes"] = False
    Conversion(**record).write(folder)
    with pod_with(tiny, tmp_path, "int8") as pod:
        assert pod.served is not None
        assert pod.predictor.digest == f"{pod.served.model.version.digest}+int8"
        metrics = wrap(pod).test_client().get("/metrics").text
        assert 'bertmesh_engine_info{asked="int8",engine="int8",faithful="false"' in metrics


def test_an_engine_that_was_asked_for_and_is_not_there_stops_the_start(tiny: Tiny, tmp_path: Path) -> None:
    pod = build(tiny.settings(cache_dir=tmp_path, engine="int8"))
    with pytest.raises(UnsupportedModel, match="bertmesh models convert"):
        pod.load()
    pod.close()


def test_a_model_that_was_begun_early_is_the_one_that_serves(tiny: Tiny, cache: Path) -> None:
    wanted = tiny.settings(cache_dir=cache, engine="f32").source
    begin(wanted)
    assert first_model(wanted).chosen.name == "f32"
    broken = tiny.settings(cache_dir=cache / "absent", engine="int8").source
    begin(broken)
    with pytest.raises(UnsupportedModel):
        first_model(broken)


def test_a_swap_loads_the_conversion_of_the_other_model(
    tiny: Tiny, cache: Path, packed: Pod, tmp_path: Path
) -> None:
    renamed = tmp_path / "renamed"
    shutil.copytree(tiny.folder, renamed)
    digest = resolve(str(renamed), root=tmp_path, cache=tmp_path).digest
    shutil.copytree(next(cache.glob("converted/*/*")), conversions(cache, digest))
    text = Query("今天天气很好")
    wanted = answer(packed.predictor, Features(), text)
    with pod_with(tiny, cache, "f32") as pod:
        before = pod.served
        swapper = Swapper(pod)
        served = swapper.activate(str(renamed))
        assert (served.model.chosen.name, served.predictor.name) == ("f32", "renamed")
        assert alike(answer(served.predictor, Features(), text), wanted)
        assert swapper.rollback() is before
        assert swapper.free()
        assert alike(answer(pod.predictor, Features(), text), wanted)
