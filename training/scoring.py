"""From scores to figures: accuracy, calibration and temperature. Arrays in, numbers out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from training.vocabulary import UNK

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
BINS = 10


@dataclass(frozen=True)
class Figures:
    """How a model did on `probes` questions; shares from 0 to 1, `loss` in nats.

    `top_3_mass` is the mean probability of the three best guesses, `ece` the expected calibration
    error of the best guess (ten bins of equal width; Guo et al. 2017), `ece_raw` the same at temperature 1.
    """

    probes: int
    top_1: float
    top_3: float
    top_3_error: float
    top_3_mass: float
    loss: float
    ece: float
    ece_raw: float


def figures(logits: Floats, answers: Ints, temperature: float) -> Figures:
    """Score `logits` (probes, vocabulary) against `answers` (probes); guessing [UNK] is never right."""
    best = np.argsort(-logits, axis=1)[:, :3]
    right = (best == answers[:, None]) & (answers[:, None] != UNK)
    cooled, raw = (log_softmax(logits / t, axis=1) for t in (temperature, 1.0))
    top_3 = right.any(axis=1).mean()
    return Figures(
        probes=len(answers),
        top_1=_round(right[:, 0].mean()),
        top_3=_round(top_3),
        top_3_error=_round(np.sqrt(top_3 * (1 - top_3) / len(answers))),
        top_3_mass=_round(np.exp(np.take_along_axis(cooled, best, axis=1)).sum(axis=1).mean()),
        loss=_round(-np.take_along_axis(cooled, answers[:, None], axis=1).mean()),
        ece=_round(calibration_error(np.exp(cooled.max(axis=1)), right[:, 0])),
        ece_raw=_round(calibration_error(np.exp(raw.max(axis=1)), right[:, 0])),
    )


def calibration_error(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Mean distance between confidence and accuracy over ten bins, weighted by their size."""
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    error = 0.0
    for place in range(BINS):
        members = places == place
        if members.any():
            error += members.mean() * abs(confidence[members].mean() - right[members].mean())
    return error


def fit_temperature(logits: Floats, answers: Ints) -> float:
    """The temperature that makes the answers likeliest; it divides the logits."""

    def loss(log_temperature: float) -> float:
        cooled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return float(-np.take_along_axis(cooled, answers[:, None], axis=1).mean())

    return _round(np.exp(minimize_scalar(loss, bounds=(-1.5, 1.5), method="bounded").x))


def _round(value: float | np.floating[npt.NBitBase]) -> float:
    return round(float(value), 4)
