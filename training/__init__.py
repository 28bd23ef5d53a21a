"""Base training, incremental training, evaluation and model cards."""
