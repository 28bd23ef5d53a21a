"""Loading a model: find and verify its files, make an engine, warm it, see that it computes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from modelstore import ModelVersion, resolve, verify
from modelstore.manifest import MANIFEST
from service.engine import Array, Engine, Item, Want
from service.engine.center import center, require_numbers
from service.engine.pace import heavy
from service.engine.recipes import CPU, OPENVINO, UNCONVERTED
from service.engine.select import Chosen, Original, conversions, full_card, load, ranked, recorded
from service.errors import UnsupportedModel
from service.tasks.base import Reader
from service.text.codec import Codec


@dataclass(frozen=True)
class Source:
    """Which model is wanted, where models and conversions lie, and what shall compute them."""

    model: str
    models_dir: Path
    cache_dir: Path
    engine: str
    threads: int


@dataclass(frozen=True)
class Model:
    """A warm model: where it came from, what computes it, and what reads its arrays."""

    version: ModelVersion
    chosen: Chosen
    reader: Reader

    @property
    def engine(self) -> Engine:
        """What computes it."""
        return self.chosen.engine

    @property
    def answers_as(self) -> str:
        """The digest under which its answers may be kept: an unfaithful engine's are not the model's own."""
        digest = self.version.digest
        return digest if self.chosen.faithful else f"{digest}+{self.chosen.name}"


def find(ref: str, source: Source) -> ModelVersion:
    """Return the version that ``ref`` names, those of its files verified that will be read.

    Where a conversion is going to compute, the weights are not read, and the conversion has checksums
    of its own.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
    """
    found = _resolved(ref, source, weights=False)
    trusted = (found.folder / MANIFEST).exists()  # without one, all files were hashed for the digest
    if trusted and read_from(found, source) == found.folder:
        return _resolved(ref, source, weights=True)
    return found


def read_from(version: ModelVersion, source: Source) -> Path:
    """Return the folder whose weights are read to load a version: its own, or that of a conversion."""
    converted = conversions(source.cache_dir, version.digest)
    first, *_ = ranked(converted, source.engine)
    return version.folder if first in UNCONVERTED else converted / first


def import_engine(version: ModelVersion, source: Source) -> None:
    """Import what a version is computed with, if that is going to be OpenVINO."""
    converted = conversions(source.cache_dir, version.digest)
    first = ranked(converted, source.engine)[0]
    known = recorded(converted).get(first)
    if first == OPENVINO or (known and known.device == CPU):
        import_module("service.engine.packed")


def computes(engine: Engine, codec: Codec) -> None:
    """Compute something, which warms an engine.

    Raises:
        UnsupportedModel: It is no number.
    """
    mask = codec.encode(codec.mask_token)
    require_numbers(heavy(engine.run, [Item(mask.ids, Want.LOGITS, (1,))])[0])


def load_model(
    version: ModelVersion, source: Source, prove: Callable[[Engine, Codec], None] = computes
) -> Model:
    """Load a model, warm it and let it prove itself.

    Raises:
        ServiceError: Whatever ``prove`` raises.
        ModelStoreError: Its weights have to be read, and are not what they should be.
        UnsupportedModel: No engine can compute it, or it computes no numbers.
    """
    converted = conversions(source.cache_dir, version.digest)
    ref = _reference(version, source)
    chosen = load(
        Original(version.folder, ref, lambda: _check(version.folder)),
        converted,
        source.threads,
        source.engine,
    )
    codec = Codec.load(version.folder, chosen.engine.positions)
    if codec.size > chosen.engine.vocabulary:
        raise UnsupportedModel(
            seen=(
                f"a tokenizer of {codec.size} tokens for a model of {chosen.engine.vocabulary} "
                f"in {version.folder}"
            ),
            needed="no more tokens than the model has embeddings",
            do="use the tokenizer that belongs to the model",
        )
    prove(chosen.engine, codec)
    reader = Reader(codec, version.temperature, _center(chosen, codec))
    return Model(replace(version, card=full_card(version.card, converted)), chosen, reader)


def _resolved(ref: str, source: Source, *, weights: bool) -> ModelVersion:
    return resolve(ref, root=source.models_dir, cache=source.cache_dir, weights=weights)


def _check(folder: Path) -> None:
    """Compare a model's files with its manifest, if it has one; what this process has hashed it knows."""
    if (folder / MANIFEST).exists():
        verify(folder)


def _center(chosen: Chosen, codec: Codec) -> Array:
    """Return the mean text vector: the conversion's, or one computed now."""
    return center(chosen.engine, codec) if chosen.center is None else chosen.center


def _reference(version: ModelVersion, source: Source) -> str:
    """Return what names a version on the command line."""
    folder = source.models_dir / version.name / version.version
    return f"{version.name}:{version.version}" if folder.is_dir() else source.model
