import numpy as np
from numpy.typing import NDArray

from service.engine import Array
from service.engine.quantise import Float, Quantised, quantise

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


def computed(made: Quantised, given: Array) -> Array:
    """Compute a layer as its docstring says."""
    rounded = np.clip(np.rint((given - made.low) / made.step), 0, 255)
    answer: Array = (rounded @ made.levels.T.astype(np.float32)) * made.scale[:, 0] + made.bias
    return answer


def loss(seen: Array, wanted: Array) -> float:
    """Return the lost share of the variance."""
    return float(np.square(seen - wanted).mean() / wanted.var())


def test_a_layer_in_8_bits_loses_little_on_inputs_it_has_not_seen() -> None:
    trained, unseen = layer(), inputs()
    assert loss(computed(quantise(trained, inputs()), unseen), exact(trained, unseen)) < 1e-3


def test_an_outlier_channel_does_not_blunt_the_others() -> None:
    trained, unseen = layer(), inputs()
    low, high = unseen.min(), unseen.max()
    step = (high - low) / 255
    one_range = np.rint((unseen - low) / step) * step + low
    coarse = loss(exact(trained, one_range.astype(np.float32)), exact(trained, unseen))
    assert loss(computed(quantise(trained, inputs()), unseen), exact(trained, unseen)) < coarse / 4


def test_rounding_that_looks_ahead_loses_less_than_rounding_to_the_nearest() -> None:
    trained, unseen = layer(), inputs(outliers=0)
    made = quantise(trained, inputs(outliers=0))
    nearest = np.clip(np.rint(trained.weight * made.step / made.scale), -127, 127).astype(np.int8)
    rounded = np.clip(np.rint((unseen - made.low) / made.step), 0, 255)
    rounded -= rounded.mean(axis=0)  # the bias takes care of the mean
    wanted = (rounded * made.step) @ trained.weight.T
    ahead, plain = (
        (rounded @ levels.T.astype(np.float32)) * made.scale[:, 0] for levels in (made.levels, nearest)
    )
    assert loss(ahead, wanted) < 0.5 * loss(plain, wanted)


def test_the_mean_output_stays_as_it_was() -> None:
    trained, seen = layer(), inputs()
    difference = computed(quantise(trained, seen), seen).mean(axis=0) - exact(trained, seen).mean(axis=0)
    assert np.abs(difference).max() < 1e-2


def test_channels_that_never_change_do_no_harm() -> None:
    seen = inputs()
    seen[:, 10:20] = 0
    made = quantise(layer(), seen)
    assert np.isfinite(made.step).all()
    assert (made.step > 0).all()


def test_levels_fit_into_a_byte() -> None:
    made = quantise(layer(), inputs())
    levels: NDArray[np.int8] = made.levels
    assert levels.dtype == np.int8
    assert np.abs(levels.astype(int)).max() <= 127
    assert made.scale.shape == (OUTPUTS, 1)
