"""The whole pipeline on tiny texts: train, resume, export, tune, put the delta on the base."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer

import modelstore
from training import texts, tiny
from training.__main__ import main
from training.base import Recipe, make_base
from training.encoding import encode
from training.errors import BadCheckpoint
from training.evaluate import Loaded
from training.incremental import Lesson, make_delta, prepare_with, tuned_loop
from training.loop import Loop, Spent, Steps
from training.prepared import Prepared, prepare
from training.pretrain import pretraining
from training.shape import Shape

SEED = 7
SMALL = Shape(layers=2, width=32, heads=2, vocabulary=4200, positions=128)


@pytest.fixture(scope="module")
def found() -> texts.Texts:
    return texts.small(Path("unused"), SEED)


@pytest.fixture(scope="module")
def prepared(found: texts.Texts) -> Prepared:
    return prepare(found.base, SMALL.vocabulary)


@pytest.fixture(scope="module")
def root(found: texts.Texts, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of versions with a tiny base 1.0 and a delta 1.1 on it."""
    root = tmp_path_factory.mktemp("models")
    recipe = Recipe(tiny.SHAPE, tiny.plan(SEED), found)
    make_base(recipe, Steps(120), root / "tiny" / "1.0", root / ".runs" / "checkpoint.pt")
    make_delta(_lesson(root, found), root / "tiny" / "1.1")
    return root


def _lesson(root: Path, found: texts.Texts) -> Lesson:
    base = modelstore.resolve("tiny:1.0", root=root, cache=root / ".cache")
    return Lesson(base, tiny.tuning_plan(SEED), found, tiny.plan(SEED).stages[-1].shares)


def _loop(prepared: Prepared) -> Loop:
    return pretraining(SMALL, tiny.plan(SEED), prepared)


def _same(one: Loop, other: Loop) -> bool:
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_loss_falls(prepared: Prepared) -> None:
    spent = _loop(prepared).run(Steps(60))
    assert np.mean(spent.losses[-10:]) < 0.7 * np.mean(spent.losses[:5])


def test_a_resumed_run_ends_where_an_unbroken_one_does(prepared: Prepared, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    unbroken, broken, resumed = _loop(prepared), _loop(prepared), _loop(prepared)
    unbroken.run(Steps(8))
    broken.run(_Stopping(8, after=5), checkpoint)
    resumed.resume(checkpoint)
    assert resumed.spent.step == 5
    resumed.run(Steps(8))
    assert _same(unbroken, resumed)
    assert resumed.spent.losses == unbroken.spent.losses


class _Stopping(Steps):
    """A budget of a run that is interrupted: it says that all is done after some steps."""

    def __init__(self, total: int, after: int) -> None:
        super().__init__(total)
        object.__setattr__(self, "after", after)

    def progress(self, step: int, seconds: float) -> float:
        return 1.0 if step >= vars(self)["after"] else super().progress(step, seconds)


def test_a_finished_run_leaves_no_checkpoint_to_go_on_from(root: Path) -> None:
    assert [path.name for path in (root / ".runs").iterdir()] == ["finished.pt"]


def test_a_checkpoint_of_another_run_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    _loop(prepared).save(checkpoint)
    other = pretraining(SMALL, tiny.plan(SEED + 1), prepared)
    with pytest.raises(BadCheckpoint, match="remove it to start again"):
        other.resume(checkpoint)


def test_a_broken_checkpoint_is_refused(prepared: Prepared, tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.pt"
    checkpoint.write_bytes(b"not a checkpoint")
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        _loop(prepared).resume(checkpoint)


def test_cpu_time_is_counted(prepared: Prepared) -> None:
    spent: Spent = _loop(prepared).run(Steps(2))
    assert spent.cpu_seconds > 0
    assert spent.tokens == 2 * 512


def test_transformers_loads_what_was_exported(root: Path) -> None:
    folder = root / "tiny" / "1.0"
    model = AutoModelForMaskedLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.config.vocab_size == len(tokenizer) == len((folder / "vocab.txt").read_text("utf-8").split())
    assert tokenizer.tokenize("中国的首都是[MASK]京。") == [
        "中",
        "国",
        "的",
        "首",
        "都",
        "是",
        "[MASK]",
        "京",
        "。",
    ]
    special = (
        tokenizer.pad_token_id,
        tokenizer.unk_token_id,
        tokenizer.cls_token_id,
        tokenizer.mask_token_id,
    )
    assert special == (0, 1, 2, 4)


def test_exported_weights_are_half_precision_and_untied_once(root: Path) -> None:
    tensors = load_file(root / "tiny" / "1.0" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float16}
    assert "cls.predictions.decoder.weight" not in tensors


def test_the_trained_model_knows_its_texts(root: Path) -> None:
    loaded = Loaded.from_folder(root / "tiny" / "1.0")
    assert "伴" in loaded.guesses("老师和同[MASK]昨天参观了学校。", 3)


def test_the_delta_on_the_base_is_the_tuned_model(root: Path, found: texts.Texts) -> None:
    lesson = _lesson(root, found)
    prepared = prepare_with(lesson)
    reviews = encode(found.reviews.train, prepared.vocabulary.tokenizer())
    loop = tuned_loop(lesson, prepared, reviews)
    loop.run(Steps(lesson.plan.steps(len(reviews.ids))))
    applied = modelstore.resolve("tiny:1.1", root=root, cache=root / ".cache")
    model = AutoModelForMaskedLM.from_pretrained(applied.folder, dtype=torch.float16)
    tuned = {name: value.half() for name, value in loop.model.state_dict().items()}
    assert all(torch.equal(value, tuned[name]) for name, value in model.state_dict().items())


def test_the_delta_holds_upper_layers_and_head_alone(root: Path) -> None:
    changed = load_file(root / "tiny" / "1.1" / "delta.safetensors")
    assert "cls.predictions.decoder.weight" in changed
    assert not any("embeddings" in name or "layer.0." in name for name in changed)


def test_tuning_helps_on_held_out_reviews(root: Path) -> None:
    card = json.loads((root / "tiny" / "1.1" / "card.json").read_text("utf-8"))
    after, before = card["held_out"]["domains"]["reviews"], card["held_out"]["before"]["reviews"]
    assert after["top_3"] > before["top_3"]
    assert card["temperature"] > 0
    assert card["held_out"]["placebo"]["reviews"]["top_3"] < after["top_3"]


def test_the_manifest_of_the_delta_names_its_base(root: Path) -> None:
    base = modelstore.verify(root / "tiny" / "1.0")
    delta = modelstore.verify(root / "tiny" / "1.1")
    assert delta.base is not None
    assert (delta.base.version, delta.base.digest) == ("1.0", base.digest)


def test_evaluate_prints_a_line_a_domain(root: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", "tiny:1.1", "--tiny", "--models", str(root)])
    assert done.exit_code == 0, done.output
    assert {"news", "reviews"} <= {line.split()[0] for line in done.output.splitlines() if line}


def test_pretrain_asks_for_one_budget(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["pretrain", "--out", str(tmp_path / "a" / "1.0"), "--tiny"])
    assert done.exit_code == 2
    assert "either --minutes or --steps" in done.output
