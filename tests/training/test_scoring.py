"""Accuracy, calibration and temperature."""

import numpy as np
import pytest

from training.scoring import calibration_error, figures, fit_temperature
from training.vocabulary import UNK

RNG = np.random.default_rng(5)


def _overconfident(times: float) -> tuple[np.ndarray, np.ndarray]:
    """Answers drawn from a model's own probabilities, and logits that exaggerate them."""
    logits = RNG.normal(size=(4000, 20)) * 2
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    answers = (chances.cumsum(axis=1) > RNG.random((4000, 1))).argmax(axis=1)
    return logits * times, answers


def test_the_fitted_temperature_undoes_an_exaggeration() -> None:
    logits, answers = _overconfident(times=2.5)
    assert fit_temperature(logits, answers) == pytest.approx(2.5, rel=0.1)


def test_calibration_is_better_at_the_fitted_temperature() -> None:
    logits, answers = _overconfident(times=2.0)
    found = figures(logits, answers, fit_temperature(logits, answers))
    assert found.ece < 0.03 < found.ece_raw


def test_top_3_counts_the_three_best_guesses() -> None:
    logits = np.array([[0.0] * 5 + [3.0, 2.0, 1.0, 0.0]] * 3)
    found = figures(logits, np.array([5, 7, 8]), temperature=1.0)
    assert found.top_1 == pytest.approx(1 / 3, abs=1e-4)
    assert found.top_3 == pytest.approx(2 / 3, abs=1e-4)


def test_an_unknown_character_is_never_a_right_answer() -> None:
    logits = np.zeros((1, 10))
    logits[0, UNK] = 9.0
    assert figures(logits, np.array([UNK]), temperature=1.0).top_3 == 0


def test_a_sure_and_right_model_has_no_calibration_error() -> None:
    assert calibration_error(np.ones(10), np.ones(10, bool)) == 0
    assert calibration_error(np.ones(10), np.zeros(10, bool)) == 1
