"""Linear layers in 8 bits. Pure mathematics on numpy arrays.

`Quantised` rounds activations to 8 bits in ranges found beforehand, an own one for each channel; their
steps go into the weights and their offsets into the bias, so that the product of integers needs no
further correction. That is SmoothQuant (Xiao et al. 2022) with half of a channel's range left to the
weights. How a token is rounded depends on nothing but the token, so that the texts of a batch do not
change each other's answers.

Weights are rounded one input channel after the other, and what rounding one loses is made up for by
those that follow (GPTQ, Frantar et al. 2022).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine import Array

Levels = NDArray[np.int8]

STEPS = 255
"""Steps of an unsigned byte."""
_PEAK = 127
_MARGIN = 1.1
"""How far beyond the values seen a range reaches."""
_NOTHING = 1e-30
"""Stands for 0 where one divides."""
_SMALLEST = 1e-3
"""A channel's range is at least this share of the widest channel's."""
_SHRINKS = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8)
"""Ranges of weights that are tried: losing the largest can make the others finer."""
_DAMPING = 0.01
_BLOCK = 128


@dataclass(frozen=True)
class Float:
    """A layer as it was trained: weight (outputs, inputs), bias (outputs,)."""

    weight: Array
    bias: Array


@dataclass(frozen=True)
class Quantised:
    """y = (round((x - low) / step) @ levels.T) * scale + bias, rounding into 0 ... 255."""

    low: Array
    """(inputs,)"""
    step: Array
    """(inputs,)"""
    levels: Levels
    """(outputs, inputs)"""
    scale: Array
    """(outputs, 1)"""
    bias: Array
    """(outputs,)"""


Linear = Float | Quantised


def quantise(layer: Float, inputs: Array) -> Quantised:
    """Quantise a layer for inputs like these, (tokens, inputs)."""
    low, step = _ranges(inputs)
    rounded = np.clip(np.rint((inputs - low) / step), 0, STEPS).astype(np.float32)
    weight = layer.weight * step
    scale = _scale(weight)
    levels = _rounded(weight, scale, rounded)
    bias = _bias(layer, inputs, (levels * scale) @ rounded.mean(axis=0))
    return Quantised(low, step, levels, scale, bias)


def _ranges(inputs: Array) -> tuple[Array, Array]:
    """Return the lower ends and the steps of the channels' ranges, both (inputs,)."""
    low, high = inputs.min(axis=0), inputs.max(axis=0)
    span = (high - low) * _MARGIN
    widest = max(float(span.max()), _NOTHING)
    span = np.sqrt(np.maximum(span, _SMALLEST * widest) * widest)
    return ((low + high - span) / 2).astype(np.float32), (span / STEPS).astype(np.float32)


def _scale(weight: Array) -> Array:
    """Return the scale of each row, (rows, 1), that loses least in the mean square."""
    peak = np.maximum(np.abs(weight).max(axis=1, keepdims=True), _NOTHING)
    best, least = peak / _PEAK, np.full(peak.shape, np.inf)
    for shrink in _SHRINKS:
        scale = peak * (shrink / _PEAK)
        lost = weight - np.clip(np.rint(weight / scale), -_PEAK, _PEAK) * scale
        loss = np.square(lost).sum(axis=1, keepdims=True)
        best, least = np.where(loss < least, scale, best), np.minimum(loss, least)
    scales: Array = best.astype(np.float32)
    return scales


def _bias(layer: Float, inputs: Array, product: Array) -> Array:
    """Return the bias that keeps the mean output as it was."""
    bias: Array = (layer.weight @ inputs.mean(axis=0) + layer.bias - product).astype(np.float32)
    return bias


def _rounded(weight: Array, scale: Array, inputs: Array) -> Levels:
    """Round weights (outputs, inputs) to multiples of scale, (outputs, 1) or (outputs, inputs)."""
    scale = np.broadcast_to(scale, weight.shape)
    factor, order = _factor(inputs)
    rest = weight[:, order].astype(np.float32)
    levels = np.empty(weight.shape, dtype=np.int8)
    for start in range(0, weight.shape[1], _BLOCK):
        block = slice(start, start + _BLOCK)
        inside = factor[block, block]
        chosen, errors = _rounded_block(rest[:, block], scale[:, order[block]], inside)
        levels[:, order[block]] = chosen
        rest[:, start + _BLOCK :] -= errors @ factor[block, start + _BLOCK :]
    return levels


def _rounded_block(rest: Array, scale: Array, factor: Array) -> tuple[Levels, Array]:
    levels = np.empty(rest.shape, dtype=np.int8)
    errors = np.empty_like(rest)
    for column in range(rest.shape[1]):
        wanted = rest[:, column]
        chosen = np.clip(np.rint(wanted / scale[:, column]), -_PEAK, _PEAK)
        levels[:, column] = chosen
        errors[:, column] = (wanted - chosen * scale[:, column]) / factor[column, column]
        rest[:, column:] -= np.outer(errors[:, column], factor[column, column:])
    return levels, errors


def _factor(inputs: Array) -> tuple[Array, NDArray[np.intp]]:
    """Return the upper Cholesky factor of the inputs' inverse covariance, and its order of channels.

    Channels that vary most come first: their loss can be made up for by all others.
    """
    centred = inputs - inputs.mean(axis=0)
    covariance = (centred.T @ centred / len(centred)).astype(np.float64)
    power = np.diag(covariance)
    order = np.argsort(-power, kind="stable")
    damped = covariance[np.ix_(order, order)] + np.eye(len(power)) * (_DAMPING * power.mean() + 1e-12)
    return np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32), order
