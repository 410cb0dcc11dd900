import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deephide.codecs import latent
from deephide.codecs.latent import LatentFormatError
from e2style.quantizer import Quantizer

RELAXED = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def random_quantizer(seed, tables, radius, concentration):
    """Any tables the format allows, from nearly flat to nearly certain."""
    rng = np.random.default_rng(seed)
    size = 2 * radius + 1
    rows = []
    for _ in range(tables):
        shares = rng.dirichlet(np.full(size, concentration))
        row = 1 + np.floor(shares * (2**24 - size)).astype(np.int64)
        row[rng.integers(size)] += 2**24 - row.sum()
        rows.append(row)
    shape = (1, 512)
    return Quantizer(
        w_avg=np.zeros(shape, np.float32),
        step=np.ones(shape, np.float32),
        table_index=rng.integers(0, tables, shape).astype(np.uint8),
        tables=np.array(rows, dtype=np.uint32),
    )


def draw(quantizer, seed, likely=True):
    rng = np.random.default_rng(seed)
    radius = (quantizer.tables.shape[1] - 1) // 2
    out = rng.integers(-radius, radius + 1, quantizer.table_index.shape)
    if likely:
        for k, table in enumerate(quantizer.tables):
            mine = quantizer.table_index == k
            out[mine] = rng.choice(2 * radius + 1, p=table / 2**24, size=mine.sum()) - radius
    return out.astype(np.int32)


@RELAXED
@given(
    st.integers(0, 10**6),
    st.integers(1, 9),
    st.integers(1, 60),
    st.sampled_from([0.01, 0.3, 30.0]),
    st.booleans(),
)
def test_coding_follows_the_specification(rans, seed, tables, radius, concentration, likely):
    quantizer = random_quantizer(seed, tables, radius, concentration)
    integers = draw(quantizer, seed + 1, likely)
    data = latent.compress(integers, quantizer)
    assert data == rans.encode(integers, quantizer)
    assert np.array_equal(latent.decompress(data, quantizer), integers)
    assert rans.decode(data, quantizer) == (integers.ravel().tolist(), True)


def test_the_size_is_the_information_content(quantizer):
    integers = draw(quantizer, 1)
    radius = (quantizer.tables.shape[1] - 1) // 2
    shares = quantizer.tables[quantizer.table_index, integers + radius] / 2**24
    ideal = -np.log2(shares).sum() / 8
    assert len(latent.compress(integers, quantizer)) <= ideal + 4


def test_the_mean_face_costs_one_byte(quantizer):
    zeros = np.zeros((2, 512), np.int32)
    assert latent.compress(zeros, quantizer) == b"\x01"
    assert not latent.decompress(b"\x01", quantizer).any()


@pytest.mark.parametrize("change", ["empty", "shorter", "longer", "zero", "long"])
def test_other_lengths_are_rejected(quantizer, change):
    data = latent.compress(draw(quantizer, 2), quantizer)
    damaged = {
        "empty": b"",
        "shorter": data[:-1],
        "longer": data + b"\x01",
        "zero": data + b"\x00",
        "long": b"\x01" * 4000,
    }[change]
    with pytest.raises(LatentFormatError):
        latent.decompress(damaged, quantizer)


@RELAXED
@given(st.binary(max_size=300))
def test_any_bytes_are_rejected_or_are_a_code_of_their_own(quantizer, data):
    try:
        integers = latent.decompress(data, quantizer)
    except LatentFormatError:
        return
    assert latent.compress(integers, quantizer) == data


def test_quantising_rounds_clips_and_comes_back(quantizer):
    integers = draw(quantizer, 3)
    codes = quantizer.dequantise(integers)
    assert codes.dtype == np.float32
    assert np.array_equal(quantizer.quantise(codes), integers)
    far = np.full_like(codes, 1e9)
    assert np.all(quantizer.quantise(far) == 40)
    assert np.all(quantizer.quantise(-far) == -40)


def test_halves_are_rounded_to_even():
    quantizer = random_quantizer(0, 1, 5, 1.0)
    codes = np.resize(np.array([0.5, 1.5, -0.5, -1.5, 2.5], np.float32), (1, 512))
    assert quantizer.quantise(codes)[0, :5].tolist() == [0, 2, 0, -2, 2]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_codes_that_are_no_numbers_are_refused(quantizer, value):
    codes = np.full(quantizer.w_avg.shape, value, np.float32)
    with pytest.raises(ValueError, match="not a finite number"):
        quantizer.quantise(codes)


def test_wrong_shapes_and_ranges_are_refused(quantizer):
    with pytest.raises(ValueError, match="codes: got shape"):
        quantizer.quantise(np.zeros((3, 512), np.float32))
    with pytest.raises(ValueError, match="integers: got shape"):
        latent.compress(np.zeros((3, 512), np.int32), quantizer)
    with pytest.raises(ValueError, match=r"allowed -40\.\.40"):
        latent.compress(np.full((2, 512), 41, np.int32), quantizer)
