"""The pod with the engine of a conversion: what `engine: auto` will do by itself."""

import os
from pathlib import Path

from flask import Flask

from service import app, models
from service.engine.packed import PackedEngine


def load(_folder: Path, threads: int) -> PackedEngine:
    """Load the conversion that the benchmark names, instead of the model's own weights."""
    return PackedEngine.load(Path(os.environ["BENCH_CONVERSION"]), threads)


def create_app() -> Flask:
    """Return the pod's app, its engine replaced."""
    models.load = load  # type: ignore[assignment] # an engine is an engine
    return app.create_app()
