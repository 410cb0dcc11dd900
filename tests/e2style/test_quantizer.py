import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2style.errors import CheckpointError, DataError
from e2style.losses.rate import RateModel
from e2style.models.rounding import rounded
from e2style.quantizer import fit_quantizer


def _codes(seed, spread=3.0):
    rng = np.random.default_rng(seed)
    scale = rng.gamma(0.4, spread, (3, 512))
    return (rng.laplace(0, 1, (40, 3, 512)) * scale + rng.normal(0, 2, (3, 512))).astype(np.float32)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), step=st.sampled_from([0.25, 1.0, 3.0]))
def test_codes_come_back_within_half_a_step(seed, step):
    codes = _codes(seed)
    quantizer = fit_quantizer(codes, step=step)
    integers = quantizer.quantise(codes)
    inside = np.abs(integers) < quantizer.radius
    error = np.abs(quantizer.dequantise(integers) - codes)[inside]
    assert error.max() <= step / 2 * 1.001 + 1e-4
    assert (quantizer.tables.sum(1, dtype=np.uint64) == 1 << 24).all()
    assert quantizer.tables.min() >= 1


def test_tables_cost_little_more_than_the_entropy_of_what_they_were_fitted_to():
    codes = _codes(3)
    quantizer = fit_quantizer(codes)
    integers = quantizer.quantise(codes)
    entropy = 0.0
    for row in range(len(quantizer.tables)):
        values = integers[:, quantizer.table_index == row]
        share = np.unique(values, return_counts=True)[1] / values.size
        entropy += -(share * np.log2(share)).sum() * values.size / len(codes)
    assert entropy <= quantizer.ideal_bits(integers).mean() <= 1.02 * entropy


def test_far_codes_are_cut_to_the_tables():
    quantizer = fit_quantizer(_codes(1))
    far = quantizer.quantise(np.full((3, 512), 1e9, np.float32))
    assert (far == quantizer.radius).all()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("tables", np.ones((2, 4), np.uint32), "shape"),
        ("tables", np.ones((2, 5), np.uint32), "sum"),
        ("tables", np.array([[2**24, 0, 0]], np.uint32), "sum"),
        ("step", np.ones((1, 512), np.float32), "differ in shape"),
        ("step", np.zeros((3, 512), np.float32), "not positive"),
        ("table_index", np.full((3, 512), 255, np.uint8), "behind the last table"),
    ],
)
def test_broken_quantizers_are_refused(field, value, message):
    good = fit_quantizer(_codes(2))
    with pytest.raises(CheckpointError, match=message):
        dataclasses.replace(good, **{field: value})


def test_one_code_is_too_few_to_fit():
    with pytest.raises(DataError):
        fit_quantizer(_codes(2)[:1])


def test_rate_model_is_a_probability_mass():
    model = RateModel(1, 2, init=1.7)
    values = torch.arange(-300, 301, dtype=torch.float32)
    pairs = [torch.full((1, 1, 2), float(v)) for v in values]
    bits = torch.stack([model.bits(pair, torch.ones(1)) / 2 for pair in pairs])
    assert torch.exp2(-bits).sum().item() == pytest.approx(1.0, abs=1e-4)


def test_rate_model_stays_finite_in_the_far_tail():
    model = RateModel(1, 1, init=0.05)
    codes = torch.full((1, 1, 1), 500.0, requires_grad=True)
    bits = model.bits(codes, torch.ones(1))
    bits.sum().backward()
    assert torch.isfinite(bits).all()
    assert torch.isfinite(codes.grad).all()


def test_rate_model_counts_wide_steps_as_scaled_codes():
    wide, narrow = RateModel(1, 3, init=1.7), RateModel(1, 3, init=0.85)
    codes = torch.tensor([[[0.4, -3.0, 8.0]]])
    assert wide.bits(codes, torch.tensor([2.0])).item() == pytest.approx(
        narrow.bits(codes / 2, torch.ones(1)).item(), rel=1e-6
    )


def test_rate_model_starts_from_measured_spreads():
    model = RateModel(3, 512)
    spread = torch.full((2, 512), 4.0)
    model.start_from(spread)
    draws = torch.distributions.Uniform(0, 1).sample((4000,)).logit() * model.log_scale[0, 0].exp()
    assert draws.std().item() == pytest.approx(4.0, rel=0.1)
    assert (model.log_scale[2] == RateModel(1).log_scale[0]).all()


def test_rounding_in_training_is_to_multiples_of_the_step_and_passes_gradients():
    codes = torch.tensor([[[0.55, 0.65, -2.3]], [[1.1, 1.3, -4.6]]], requires_grad=True)
    sent = rounded(codes, torch.tensor([1.0, 2.0]))
    assert sent.tolist() == [[[0.0, 1.0, -2.0]], [[0.0, 2.0, -4.0]]]
    sent.sum().backward()
    assert (codes.grad == 1).all()


def test_a_price_is_what_a_brute_search_finds():
    codes = _codes(40)
    quantizer = fit_quantizer(codes, price=0.3)
    lengths = 24 - np.log2(quantizer.tables.astype(np.float64))
    values = (codes.astype(np.float64) - quantizer.w_avg) / quantizer.step
    every = np.arange(-quantizer.radius, quantizer.radius + 1)
    for row, column in [(0, 0), (0, 511), (2, 100)]:
        paid = quantizer.price * lengths[quantizer.table_index[row, column]]
        cost = np.square(values[:, row, column, None] - every) + paid
        chosen = quantizer.quantise(codes)[:, row, column]
        costs = cost[np.arange(len(codes)), chosen + quantizer.radius]
        # Only the neighbours towards 0 are looked at; tables fall off from 0, so that is enough.
        assert np.allclose(costs, cost.min(1), atol=1e-9)


def test_a_price_saves_bits_and_costs_error():
    codes = _codes(200)
    nearest, thrifty = fit_quantizer(codes), fit_quantizer(codes, price=0.3)
    plain, priced = nearest.quantise(codes), thrifty.quantise(codes)
    assert thrifty.ideal_bits(priced).mean() < nearest.ideal_bits(plain).mean()
    error = np.square(thrifty.dequantise(priced) - codes).mean()
    assert error > np.square(nearest.dequantise(plain) - codes).mean()
    with pytest.raises(CheckpointError, match="a bit costs"):
        dataclasses.replace(nearest, price=-1.0)
