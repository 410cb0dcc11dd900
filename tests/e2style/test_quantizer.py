import dataclasses

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from e2style.errors import CheckpointError, DataError
from e2style.losses.rate import RateModel
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
    bits = torch.stack([model.bits(torch.full((1, 1, 2), float(v))) / 2 for v in values])
    assert torch.exp2(-bits).sum().item() == pytest.approx(1.0, abs=1e-4)


def test_rate_model_stays_finite_in_the_far_tail():
    model = RateModel(1, 1, init=0.05)
    codes = torch.full((1, 1, 1), 500.0, requires_grad=True)
    bits = model.bits(codes)
    bits.sum().backward()
    assert torch.isfinite(bits).all()
    assert torch.isfinite(codes.grad).all()
