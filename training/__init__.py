"""Base training, incremental training, evaluation and model cards."""

from importlib.util import find_spec

if not (find_spec("torch") and find_spec("transformers")):
    _message = "training needs torch and transformers: install bertmesh[train]"
    raise ImportError(_message)
