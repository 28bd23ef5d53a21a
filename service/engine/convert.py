"""Converting a model, with a judgement of the result against float32 (`service.engine.reference`).

Needs a few times the model's size in memory, and torch for what a GPU is to compute.
"""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from service.engine import Array, Engine
from service.engine.center import center
from service.engine.conversion import Conversion, checksums
from service.engine.extras import needing_torch
from service.engine.fidelity import Answers, Fidelity
from service.engine.graph import Encoder, head, linears
from service.engine.packed import ENCODER, HEAD, PackedEngine, feeds, options
from service.engine.packing import Pack, passes
from service.engine.quantise import Linear, Quantised, quantise
from service.engine.recipes import CUDA, RECIPES, Recipe
from service.engine.reference import Reference
from service.engine.runtime import op, ov
from service.engine.sample import Ids, Sample
from service.engine.select import CENTER, locked
from service.engine.speed import speed
from service.engine.weights import Shape
from service.text.codec import Codec

if TYPE_CHECKING:  # they bring torch
    from service.engine.gpu import Gpu
    from service.engine.half import Halves

_PROBES = 24
"""Texts on which the loss of each layer is measured."""
LAST = "last"


class Converter:
    """Converts one model by any number of recipes."""

    def __init__(self, folder: Path, threads: int, timed_s: float = 1.0, gpu: "Gpu | None" = None) -> None:
        """Read a model in Hugging Face layout; ``timed_s`` is spent on each measurement of speed.

        What is for a GPU is judged on ``gpu``, or on the one there is.

        Raises:
            UnsupportedModel: It is no BERT with a masked-language-model head.
        """
        self._folder = folder
        self._threads = threads
        self._timed_s = timed_s
        self._gpu = gpu
        self._reference = Reference.load(folder, threads)
        self._shape = Shape.read(folder)
        self._weights = self._reference.weights
        self._codec = Codec.load(folder, self._reference.positions)
        self._sample = Sample.of(self._codec)
        self._layers = linears(self._shape, self._weights)

    def convert(self, out: Path, recipes: Sequence[Recipe] = RECIPES) -> Iterator[Conversion]:
        """Write ``out/<recipe>/``, one recipe after the other, and yield what became of each.

        A folder appears under its name when it is whole, also where several convert at the same time.

        Raises:
            UnsupportedModel: A recipe is for a GPU, and there is none or the model is not for it.
        """
        out.mkdir(parents=True, exist_ok=True)
        _sweep(out)
        for recipe in recipes:
            made = Path(tempfile.mkdtemp(dir=out, prefix=f".{recipe.name}-"))
            try:
                with locked(made, fcntl.LOCK_EX):  # says that somebody is at it
                    conversion = self._write(recipe, made)
                    with locked(out, fcntl.LOCK_EX):
                        _replace(out / recipe.name, made)
            finally:
                shutil.rmtree(made, ignore_errors=True)
            yield conversion

    def _write(self, recipe: Recipe, folder: Path) -> Conversion:
        halves = self._halves(recipe) if recipe.device == CUDA else None
        if halves:
            halves.write(folder, recipe.precision)
        else:
            self._write_graphs(recipe, folder)
        draft = Conversion(
            recipe=recipe.name,
            precision=recipe.precision,
            positions=self._reference.positions,
            vocabulary=self._reference.vocabulary,
            made_with=halves.made_with if halves else ov.get_version(),
            files=checksums(folder),
            device=recipe.device,
        )
        draft.write(folder)
        engine = halves.load(folder) if halves else PackedEngine.load(folder, self._threads)
        np.save(folder / CENTER, center(engine, self._codec))
        sizes = [path.stat().st_size for path in folder.iterdir()]
        conversion = replace(self._judged(draft, engine), files=checksums(folder), size=sum(sizes))
        conversion.write(folder)
        return conversion

    def _halves(self, recipe: Recipe) -> "Halves":
        with needing_torch(f"the recipe {recipe.name}"):
            from service.engine.gpu import find  # noqa: PLC0415 - what is for a CPU is made without torch
            from service.engine.half import Halves  # noqa: PLC0415 - the same
        return Halves(self._folder, self._weights, self._threads, self._gpu or find())

    def _write_graphs(self, recipe: Recipe, folder: Path) -> None:
        encoder = Encoder(self._shape, self._weights, self._changed(recipe)).build()
        self._compile(encoder, recipe.precision, folder / ENCODER, in_halves=recipe.in_halves)
        # Scores decide by their last digits, and the head is little work: its weights get 16 bits.
        self._compile(head(self._shape, self._weights), "f32", folder / HEAD, in_halves=True)

    def _compile(self, model: ov.Model, precision: str, path: Path, *, in_halves: bool) -> None:
        """Write a graph as it is compiled for this kind of CPU; threads are chosen where it is loaded."""
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            plain = Path(folder) / "plain.xml"
            _save(model, plain, in_halves=in_halves)
            told = {**options(precision, self._threads), "CACHE_MODE": "OPTIMIZE_SPEED"}  # weights included
            path.write_bytes(ov.Core().compile_model(plain, "CPU", told).export_model().getvalue())

    def _changed(self, recipe: Recipe) -> Mapping[str, Linear]:
        """Return the layers, all but the kept share of them quantised."""
        if not recipe.in_bytes:
            return self._layers
        kept = round(recipe.kept * len(self._layers))
        stay = sorted(self._layers, key=lambda name: -self._losses[name])[:kept] if kept else []
        return {
            name: layer if name in stay else self._quantised[name] for name, layer in self._layers.items()
        }

    def _judged(self, draft: Conversion, engine: Engine) -> Conversion:
        answers = Answers.of(engine, self._sample.judgement, self._sample.mask)
        fidelity = Fidelity.between(answers, self._wanted)
        tokens_per_s, sentence_ms = speed(engine, self._sample.judgement, self._timed_s)
        return replace(draft, fidelity=fidelity.as_dict(), tokens_per_s=tokens_per_s, sentence_ms=sentence_ms)

    @cached_property
    def _wanted(self) -> Answers:
        return Answers.of(self._reference, self._sample.judgement, self._sample.mask)

    @cached_property
    def _quantised(self) -> Mapping[str, Quantised]:
        """All linear layers in 8 bits."""
        inputs = self._states(self._layers, self._sample.calibration, *self._layers)
        return {name: quantise(layer, inputs[name]) for name, layer in self._layers.items()}

    @cached_property
    def _losses(self) -> Mapping[str, float]:
        """How much the last hidden states change when one layer alone is quantised."""
        texts = self._sample.calibration[:_PROBES]
        exact = self._states(self._layers, texts)[LAST]
        return {
            name: float(np.square(self._states({**self._layers, name: layer}, texts)[LAST] - exact).mean())
            for name, layer in self._quantised.items()
        }

    def _states(self, layers: Mapping[str, Linear], texts: Sequence[Ids], *names: str) -> Mapping[str, Array]:
        """Return what the named linear layers are given, and the last states: (tokens, width) each."""
        encoder = Encoder(self._shape, self._weights, layers)
        model = encoder.build()
        model.add_results([op.result(encoder.inputs[name]) for name in names])
        compiled = ov.Core().compile_model(model, "CPU", options("f32", self._threads))
        return _observed(compiled.create_infer_request(), [LAST, *names], texts)


def _save(model: ov.Model, path: Path, *, in_halves: bool) -> None:
    """Write a graph to disk.

    Raises:
        OSError: It cannot be written.
    """
    try:
        ov.save_model(model, path, compress_to_fp16=in_halves)
    except RuntimeError as error:  # all that OpenVINO has for a full disk
        message = "OpenVINO cannot write the model's graph"
        raise OSError(message) from error


def _observed(request: ov.InferRequest, names: Sequence[str], texts: Sequence[Ids]) -> Mapping[str, Array]:
    seen: dict[str, list[Array]] = {name: [] for name in names}
    for indices in passes([len(ids) for ids in texts]):
        together = [texts[index] for index in indices]
        request.infer(feeds(Pack.of(together, [range(len(ids)) for ids in together])))
        for place, name in enumerate(names):
            seen[name].append(request.get_output_tensor(place).data.copy())
    return {name: np.concatenate(parts) for name, parts in seen.items()}


def _sweep(out: Path) -> None:
    """Remove what a converter left that was killed: nobody holds its lock any more."""
    for folder in out.glob(".*-*"):
        with suppress(OSError), locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(folder, ignore_errors=True)


def _replace(target: Path, made: Path) -> None:
    """Put a folder in the place of another, or of none; engines that run keep the files they have open."""
    shutil.rmtree(target, ignore_errors=True)
    made.chmod(0o755)  # other users may serve what one converted
    made.rename(target)
