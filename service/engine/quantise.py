"""Linear layers in 8 bits. Pure mathematics on numpy arrays.

`Static` rounds activations to 8 bits in ranges found beforehand, an own one for each channel; their
steps go into the weights and their offsets into the bias, so that the product of integers needs no
further correction. That is SmoothQuant (Xiao et al. 2022) with half of a channel's range left to the
weights. `Dynamic` rounds each token's activations in groups of channels while it computes: dearer,
finer, and without a range to leave. Either depends on the token alone, so that the texts of a batch
do not change each other's answers.

Weights are rounded one input channel after the other, and what rounding one loses is made up for by
those that follow (GPTQ, Frantar et al. 2022).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine import Array

Levels = NDArray[np.int8]

GROUP = 128
"""Channels that share a scale in a dynamic layer."""
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
class Static:
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


@dataclass(frozen=True)
class Dynamic:
    """y = x @ (levels * scale).T + bias, with x rounded in groups while it is computed."""

    levels: Levels
    """(outputs, inputs)"""
    scale: Array
    """(outputs, groups)"""
    bias: Array
    """(outputs,)"""


Linear = Float | Static | Dynamic


def static(layer: Float, inputs: Array) -> Static:
    """Quantise a layer for inputs like these, (tokens, inputs)."""
    low, step = _ranges(inputs)
    rounded = np.clip(np.rint((inputs - low) / step), 0, STEPS).astype(np.float32)
    weight = layer.weight * step
    scale = _scale(weight)
    levels = _rounded(weight, scale, rounded)
    bias = _bias(layer, inputs, (levels * scale) @ rounded.mean(axis=0))
    return Static(low, step, levels, scale, bias)


def dynamic(layer: Float, inputs: Array) -> Dynamic:
    """Quantise a layer for inputs like these, (tokens, inputs)."""
    outputs, width = layer.weight.shape
    group = GROUP if width % GROUP == 0 else width
    scale = _scale(layer.weight.reshape(-1, group)).reshape(outputs, -1)
    scales = np.repeat(scale, group, axis=1)
    levels = _rounded(layer.weight, scales, inputs)
    bias = _bias(layer, inputs, (levels * scales) @ inputs.mean(axis=0))
    return Dynamic(levels, scale, bias)


def light(layer: Float) -> Dynamic:
    """Store a layer's weights in 8 bits, in groups, each rounded to the nearest level."""
    outputs, width = layer.weight.shape
    group = GROUP if width % GROUP == 0 else width
    rows = layer.weight.reshape(-1, group)
    scale = _scale(rows)
    levels = np.clip(np.rint(rows / scale), -_PEAK, _PEAK).astype(np.int8)
    return Dynamic(levels.reshape(outputs, width), scale.reshape(outputs, -1), layer.bias)


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
