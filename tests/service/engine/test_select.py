import fcntl
import shutil
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
import torch

from service.engine import half, select
from service.engine.center import center
from service.engine.conversion import Conversion
from service.engine.gpu import Gpu
from service.engine.packed import PackedEngine
from service.engine.select import Original, conversions, full_card, load, locked, ranked, reading
from service.engine.torch import TorchEngine
from service.errors import UnsupportedModel
from service.text.codec import Codec
from tests.service.conftest import Tiny
from tests.service.engine.conftest import pretended
from tests.support.processes import LIMIT_S


def record(folder: Path, recipe: str, *, faithful: bool, speed: float) -> None:
    (folder / recipe).mkdir()
    Conversion(
        recipe=recipe,
        precision="bf16",
        positions=512,
        vocabulary=100,
        made_with="test",
        fidelity={"passes": faithful},
        tokens_per_s=speed,
    ).write(folder / recipe)


def test_the_fastest_faithful_conversion_is_tried_first_and_the_own_weights_last(tmp_path: Path) -> None:
    record(tmp_path, "int8", faithful=False, speed=900)
    record(tmp_path, "int8-50", faithful=True, speed=700)
    record(tmp_path, "bf16", faithful=True, speed=500)
    assert ranked(tmp_path) == ("int8-50", "bf16", "openvino")


def test_engines_for_a_gpu_are_ranked_among_the_others(tmp_path: Path) -> None:
    record(tmp_path, "int8-38", faithful=True, speed=700)
    record(tmp_path, "cuda-bf16", faithful=False, speed=90_000)
    record(tmp_path, "cuda-fp16", faithful=True, speed=80_000)
    assert ranked(tmp_path) == ("cuda-fp16", "int8-38", "openvino")


def test_the_own_weights_are_computed_with_where_nothing_is_faithful(tmp_path: Path) -> None:
    record(tmp_path, "int8", faithful=False, speed=900)
    assert ranked(tmp_path) == ("openvino",)
    assert ranked(tmp_path / "absent") == ("openvino",)


@pytest.mark.parametrize(
    ("seen", "installed", "first"),
    [
        (["NVIDIA L4"], object(), "torch"),
        (["NVIDIA L4"], None, "openvino"),
        ([], object(), "openvino"),
        ([], None, "openvino"),
    ],
)
def test_torch_computes_the_own_weights_only_where_it_is_and_may_find_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: list[str], installed: object, first: str
) -> None:
    monkeypatch.setattr(select, "gpus", lambda: seen)
    monkeypatch.setattr(select, "find_spec", lambda _name: installed)
    assert ranked(tmp_path) == (first,)


@pytest.mark.parametrize("name", ["torch", "openvino"])
def test_the_own_weights_are_computed_with_as_one_wishes(tiny: Tiny, tmp_path: Path, name: str) -> None:
    assert load(Original(tiny.folder), tmp_path, 1, name).name == name


def test_an_unfinished_conversion_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "int8").mkdir()
    (tmp_path / ".bf16-abc").mkdir()
    record(tmp_path, "bf16", faithful=True, speed=500)
    assert ranked(tmp_path) == ("bf16", "openvino")


def test_auto_says_how_to_convert_a_model_that_never_was(
    tiny: Tiny, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = load(Original(tiny.folder, "tiny:1.0"), tmp_path, 1)
    assert isinstance(chosen.engine, PackedEngine)
    assert (chosen.name, chosen.faithful, chosen.center) == ("openvino", True, None)
    assert "`bertmesh models convert tiny:1.0`" in caplog.text


def test_auto_loads_the_best_conversion_with_its_center(tiny: Tiny, converted: Path) -> None:
    chosen = load(Original(tiny.folder), converted, 1)
    assert isinstance(chosen.engine, PackedEngine)
    assert chosen.name == ranked(converted)[0]
    assert chosen.center is not None
    exact = center(TorchEngine.load(tiny.folder, 1), Codec.load(tiny.folder, 128))
    assert np.abs(chosen.center - exact).max() < 0.05


def test_auto_passes_over_a_spoilt_conversion_and_says_so(
    tiny: Tiny, converted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(converted, tmp_path, dirs_exist_ok=True)
    for name in ranked(tmp_path)[:-1]:
        spoil(tmp_path / name / "encoder.blob")
    checked: list[bool] = []
    chosen = load(Original(tiny.folder, check=lambda: checked.append(True)), tmp_path, 1)
    assert chosen.name == "openvino"
    assert checked, "the weights are verified before they are read"
    assert "is passed over" in caplog.text


def test_a_spoilt_center_is_found_too(converted: Path, tmp_path: Path) -> None:
    shutil.copytree(converted / "f32", tmp_path / "f32")
    spoil(tmp_path / "f32" / "center.npy")
    with pytest.raises(UnsupportedModel, match=r"center\.npy with the checksum"):
        load(Original(tmp_path), tmp_path, 1, "f32")


def test_a_conversion_that_is_asked_for_and_absent_is_refused_with_the_command(
    tiny: Tiny, tmp_path: Path
) -> None:
    with pytest.raises(UnsupportedModel, match=r"`bertmesh models convert tiny:1\.0 --recipe int8`"):
        load(Original(tiny.folder, "tiny:1.0"), tmp_path, 1, "int8")


def test_an_unfaithful_engine_is_loaded_only_when_asked_for_and_with_a_warning(
    tiny: Tiny, converted: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(converted / "f32", tmp_path / "f32")
    replace(Conversion.read(tmp_path / "f32"), fidelity={"passes": False, "top_5": 0.5}).write(
        tmp_path / "f32"
    )
    assert load(Original(tiny.folder), tmp_path, 1).name == "openvino"
    chosen = load(Original(tiny.folder), tmp_path, 1, "f32")
    assert (chosen.name, chosen.faithful) == ("f32", False)
    assert "UNFAITHFUL ENGINE" in caplog.text
    assert "top_5 0.5000" in caplog.text


@pytest.fixture
def both(converted: Path, halved: Path, tmp_path: Path) -> Path:
    """An exact conversion for the CPU, and a faster, faithful one for a GPU."""
    shutil.copytree(converted / "f32", tmp_path / "f32")
    shutil.copytree(halved / "cuda-fp16", tmp_path / "cuda-fp16")
    known = Conversion.read(tmp_path / "cuda-fp16")
    replace(known, fidelity={"passes": True}, tokens_per_s=1e9).write(tmp_path / "cuda-fp16")
    return tmp_path


def test_auto_loads_a_conversion_onto_the_gpu(
    tiny: Tiny, both: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(half, "find", pretended)
    chosen = load(Original(tiny.folder), both, 1)
    assert chosen.name == "cuda-fp16"
    assert isinstance(chosen.engine, TorchEngine)
    assert chosen.center is not None
    assert "Pretended GPU" in str(chosen.as_dict()["made_with"])


@pytest.mark.parametrize(
    ("gpu", "said"),
    [(None, "no GPU that torch"), (pretended(free=1 << 20), "1 MiB of free memory on Pretended GPU")],
    ids=["gone", "full"],
)
def test_without_a_gpu_with_room_auto_goes_on_and_what_was_asked_for_is_refused(
    tiny: Tiny,
    both: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    gpu: Gpu | None,
    said: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if gpu:
        monkeypatch.setattr(half, "find", lambda: gpu)
    assert load(Original(tiny.folder), both, 1).name == "f32"
    assert f"the conversion cuda-fp16 is passed over: {said}" in caplog.text
    with pytest.raises(UnsupportedModel, match=said):
        load(Original(tiny.folder), both, 1, "cuda-fp16")


def test_a_card_tells_of_the_conversions_and_stays_as_it_was_without_any(tmp_path: Path) -> None:
    assert full_card({"temperature": 1.2}, tmp_path) == {"temperature": 1.2}
    record(tmp_path, "bf16", faithful=True, speed=500)
    card = full_card({"temperature": 1.2}, tmp_path)
    assert card is not None
    assert card["temperature"] == 1.2
    assert "bf16" in str(card["engines"])


def test_conversions_of_two_digests_do_not_meet(tmp_path: Path) -> None:
    assert conversions(tmp_path, "sha256:aa") != conversions(tmp_path, "sha256:bb")
    assert ":" not in str(conversions(tmp_path, "sha256:aa"))


def test_whoever_replaces_a_conversion_waits_for_those_that_load_it(tmp_path: Path) -> None:
    done = Event()

    def replace_one() -> None:
        with locked(tmp_path, fcntl.LOCK_EX):
            done.set()

    with reading(tmp_path), reading(tmp_path):
        thread = Thread(target=replace_one)
        thread.start()
        assert not done.wait(0.1)
    assert done.wait(LIMIT_S)
    thread.join()


def spoil(path: Path) -> None:
    """Change one byte in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
