"""Loading a model: find and verify its files, make an engine, warm it, see that it computes."""

from dataclasses import dataclass

import numpy as np

from modelstore import ModelVersion, resolve
from service.codec import Codec
from service.engine import Array, Engine, Item, Want, load
from service.errors import UnsupportedModel
from service.sentences import SENTENCES
from service.settings import Settings
from service.tasks import Reader


@dataclass(frozen=True)
class Model:
    """A warm model: where it came from, what computes it, and what reads its arrays."""

    version: ModelVersion
    engine: Engine
    reader: Reader


def find(ref: str, settings: Settings) -> ModelVersion:
    """Return the version that ``ref`` names, its files verified.

    Raises:
        ModelStoreError: Its files are missing or not what they should be.
    """
    return resolve(ref, root=settings.models_dir, cache=settings.cache_dir)


def load_model(version: ModelVersion, settings: Settings) -> Model:
    """Load and warm a model.

    Raises:
        UnsupportedModel: No engine can compute it, or it computes no numbers.
    """
    engine = load(version.folder, settings.threads)
    codec = Codec.load(version.folder, engine.positions)
    if codec.size > engine.vocabulary:
        raise UnsupportedModel(
            seen=f"a tokenizer of {codec.size} tokens for a model of {engine.vocabulary} in {version.folder}",
            needed="no more tokens than the model has embeddings",
            do="use the tokenizer that belongs to the model",
        )
    return Model(version, engine, Reader(codec, version.temperature, center(engine, codec)))


def center(engine: Engine, codec: Codec) -> Array:
    """Return the mean text vector (hidden,) of plain sentences, which warms the engine on the way.

    BERT's text vectors share a large common part, so that any two texts look alike; what is left
    without it tells them apart (Mu and Viswanath 2018, "All-but-the-Top").

    Raises:
        UnsupportedModel: The model computes something that is no number.
    """
    encoded = [codec.encode(sentence) for sentence in SENTENCES]
    whole = [text for text in encoded if len(text.ids) <= codec.limit]
    vectors = np.stack(engine.run([Item(text.ids, Want.MEAN) for text in whole]))
    logits = engine.run([Item(whole[0].ids, Want.LOGITS, (1,))])[0]
    if not (np.isfinite(vectors).all() and np.isfinite(logits).all()):
        raise UnsupportedModel(
            seen="a model that computes infinities or NaN",
            needed="finite numbers",
            do="check the weights where they were trained",
        )
    mean: Array = vectors.mean(axis=0)
    return mean
