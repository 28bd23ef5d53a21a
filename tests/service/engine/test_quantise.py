from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from service.engine import Array
from service.engine.quantise import Dynamic, Float, Static, dynamic, light, static

RANDOM = np.random.default_rng(7)
WIDTH, OUTPUTS, TOKENS = 256, 64, 2000


def inputs(tokens: int = TOKENS, outliers: int = 4) -> Array:
    """Draw correlated activations, a few channels thirty times as wide as the rest: as layer norms give."""
    few = RANDOM.standard_normal((tokens, 48)) @ np.random.default_rng(3).standard_normal((48, WIDTH))
    few[:, :outliers] *= 30
    drawn: Array = few.astype(np.float32)
    return drawn


def layer() -> Float:
    weight = RANDOM.standard_normal((OUTPUTS, WIDTH)).astype(np.float32) * 0.02
    return Float(weight, RANDOM.standard_normal(OUTPUTS).astype(np.float32))


def exact(made: Float, given: Array) -> Array:
    wanted: Array = given @ made.weight.T + made.bias
    return wanted


def computed(made: Static | Dynamic, given: Array) -> Array:
    """Compute a layer as its docstring says."""
    match made:
        case Static():
            rounded = np.clip(np.rint((given - made.low) / made.step), 0, 255)
            return (rounded @ made.levels.T.astype(np.float32)) * made.scale[:, 0] + made.bias
        case Dynamic():
            group = given.shape[1] // made.scale.shape[1]
            return given @ (made.levels * np.repeat(made.scale, group, axis=1)).T + made.bias


def loss(seen: Array, wanted: Array) -> float:
    """Return the lost share of the variance."""
    return float(np.square(seen - wanted).mean() / wanted.var())


@pytest.mark.parametrize("quantise", [static, dynamic])
def test_a_layer_in_8_bits_loses_little_on_inputs_it_has_not_seen(
    quantise: Callable[[Float, Array], Static | Dynamic],
) -> None:
    trained, unseen = layer(), inputs()
    assert loss(computed(quantise(trained, inputs()), unseen), exact(trained, unseen)) < 1e-3


def test_an_outlier_channel_does_not_blunt_the_others() -> None:
    trained, unseen = layer(), inputs()
    low, high = unseen.min(), unseen.max()
    step = (high - low) / 255
    one_range = np.rint((unseen - low) / step) * step + low
    coarse = loss(exact(trained, one_range.astype(np.float32)), exact(trained, unseen))
    assert loss(computed(static(trained, inputs()), unseen), exact(trained, unseen)) < coarse / 4


def test_rounding_that_looks_ahead_loses_less_than_rounding_to_the_nearest() -> None:
    trained, unseen = layer(), inputs(outliers=0)
    wanted = exact(trained, unseen)
    assert loss(computed(dynamic(trained, inputs(outliers=0)), unseen), wanted) < 0.5 * loss(
        computed(light(trained), unseen), wanted
    )


def test_the_mean_output_stays_as_it_was() -> None:
    trained, seen = layer(), inputs()
    difference = computed(static(trained, seen), seen).mean(axis=0) - exact(trained, seen).mean(axis=0)
    assert np.abs(difference).max() < 1e-2


def test_channels_that_never_change_do_no_harm() -> None:
    seen = inputs()
    seen[:, 10:20] = 0
    made = static(layer(), seen)
    assert np.isfinite(made.step).all()
    assert (made.step > 0).all()


@pytest.mark.parametrize("width", [32, 256])
def test_levels_fit_into_a_byte_and_groups_into_the_width(width: int) -> None:
    made = light(Float(RANDOM.standard_normal((8, width)).astype(np.float32), np.zeros(8, np.float32)))
    levels: NDArray[np.int8] = made.levels
    assert levels.dtype == np.int8
    assert np.abs(levels.astype(int)).max() <= 127
    assert made.scale.shape == (8, max(1, width // 128))
