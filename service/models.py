"""Loading a model: find and verify its files, make an engine, warm it, see that it computes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from modelstore import ModelVersion, resolve, verify
from modelstore.manifest import MANIFEST
from service.codec import Codec
from service.engine import Array, Engine, Item, Want
from service.engine.center import center, require_numbers
from service.engine.pace import heavy
from service.engine.recipes import CPU, OPENVINO, UNCONVERTED
from service.engine.select import Chosen, Original, conversions, full_card, load, ranked, recorded
from service.errors import UnsupportedModel
from service.settings import Settings
from service.tasks import Reader


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


def find(ref: str, settings: Settings) -> ModelVersion:
    """Return the version that ``ref`` names, those of its files verified that will be read.

    Where a conversion is going to compute, the weights are not read, and the conversion has checksums
    of its own.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
    """
    found = _resolved(ref, settings, weights=False)
    trusted = (found.folder / MANIFEST).exists()  # without one, all files were hashed for the digest
    if trusted and read_from(found, settings) == found.folder:
        return _resolved(ref, settings, weights=True)
    return found


def read_from(version: ModelVersion, settings: Settings) -> Path:
    """Return the folder whose weights are read to load a version: its own, or that of a conversion."""
    converted = conversions(settings.cache_dir, version.digest)
    first, *_ = ranked(converted, settings.engine)
    return version.folder if first in UNCONVERTED else converted / first


def import_engine(version: ModelVersion, settings: Settings) -> None:
    """Import what a version is computed with, if that is going to be OpenVINO."""
    converted = conversions(settings.cache_dir, version.digest)
    first = ranked(converted, settings.engine)[0]
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
    version: ModelVersion, settings: Settings, prove: Callable[[Engine, Codec], None] = computes
) -> Model:
    """Load a model, warm it and let it prove itself.

    Raises:
        ServiceError: Whatever ``prove`` raises.
        ModelStoreError: Its weights have to be read, and are not what they should be.
        UnsupportedModel: No engine can compute it, or it computes no numbers.
    """
    converted = conversions(settings.cache_dir, version.digest)
    ref = _reference(version, settings)
    chosen = load(
        Original(version.folder, ref, lambda: _check(version.folder)),
        converted,
        settings.threads,
        settings.engine,
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


def _resolved(ref: str, settings: Settings, *, weights: bool) -> ModelVersion:
    return resolve(ref, root=settings.models_dir, cache=settings.cache_dir, weights=weights)


def _check(folder: Path) -> None:
    """Compare a model's files with its manifest, if it has one; what this process has hashed it knows."""
    if (folder / MANIFEST).exists():
        verify(folder)


def _center(chosen: Chosen, codec: Codec) -> Array:
    """Return the mean text vector: the conversion's, or one computed now."""
    return center(chosen.engine, codec) if chosen.center is None else chosen.center


def _reference(version: ModelVersion, settings: Settings) -> str:
    """Return what names a version on the command line."""
    folder = settings.models_dir / version.name / version.version
    return f"{version.name}:{version.version}" if folder.is_dir() else settings.model
