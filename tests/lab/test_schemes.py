import numpy as np
import pytest

import stc
from deephide.lab.conditions import SCHEMES, Condition, Payload, conditions_of
from deephide.lab.schemes import PLANE_SCHEMES, released

BITS = 1200


@pytest.fixture
def plane(make_texture):
    return make_texture(3)


@pytest.mark.parametrize("name", PLANE_SCHEMES)
def test_every_scheme_changes_by_one_level_as_its_seed_says(name, plane):
    before = plane.copy()
    first, again, other = (
        PLANE_SCHEMES[name](plane, BITS, np.random.default_rng(seed)) for seed in (1, 1, 2)
    )
    assert np.array_equal(plane, before)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    changes = np.abs(first.astype(int) - plane)
    assert changes.max() == 1
    assert 0.1 * BITS < changes.sum() < 0.6 * BITS


@pytest.mark.parametrize("name", ["lsb", "lsb-ranked", "e2style"])
def test_replacement_leaves_the_upper_bits(name, plane):
    stego = PLANE_SCHEMES[name](plane, BITS, np.random.default_rng(1))
    assert np.array_equal(stego >> 1, plane >> 1)


@pytest.mark.parametrize("name", ["lsb-matching", "hill-bound", "hill-stc"])
def test_the_ends_of_the_range_are_kept(name):
    rng = np.random.default_rng(1)
    plane = rng.choice(np.array([0, 1, 254, 255], np.uint8), (64, 64))
    stego = PLANE_SCHEMES[name](plane, BITS, rng)
    assert np.abs(stego.astype(int) - plane).max() == 1


def test_the_released_code_is_read_from_the_raster(plane):
    stego = released(plane, BITS, np.random.default_rng(1))
    message = np.random.default_rng(1).integers(0, 2, BITS, dtype=np.uint8)
    assert np.array_equal(stc.extract((stego & 1).reshape(-1), BITS, height=10), message)


def test_a_real_code_changes_more_than_a_perfect_one(plane):
    counts = [
        np.count_nonzero(PLANE_SCHEMES[name](plane, BITS, np.random.default_rng(1)) != plane)
        for name in ("mipod-bound", "mipod-stc", "lsb-matching")
    ]
    assert counts == sorted(counts)


@pytest.mark.parametrize(
    ("text", "bits", "shown"), [("0.4", 400, "0.4"), ("300B", 2400, "300B"), ("1", 1000, "1")]
)
def test_payloads_are_read(text, bits, shown):
    payload = Payload.parse(text)
    assert payload.bits(1000) == bits
    assert str(payload) == shown


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "2.5B", "0B", "much", ""])
def test_impossible_payloads_are_refused(text):
    with pytest.raises(ValueError, match=r"payload|could not convert"):
        Payload.parse(text)


def test_conditions_are_schemes_times_payloads():
    payloads = tuple(map(Payload.parse, ("0.1", "300B")))
    names = [each.name for each in conditions_of(("lsb", "embed-face"), payloads, (), True)]
    assert names == ["cover", "lsb_0.1", "lsb_300B", "embed-face"]


@pytest.mark.parametrize(
    ("scheme", "message"),
    [("nonsense", "allowed"), ("lsb", "a payload"), ("embed-face", "faces"), ("udh", "networks")],
)
def test_a_scheme_that_lacks_something_is_refused(scheme, message):
    with pytest.raises(ValueError, match=message):
        conditions_of((scheme,), ())


def test_every_scheme_has_a_condition():
    found = conditions_of(SCHEMES, (Payload.parse("0.1"),), ("udh", "ddh"), True)
    assert [each.scheme for each in found] == ["cover", *SCHEMES]
    assert len({each.name for each in found}) == len(found)
    assert Condition("lsb", Payload.parse("0.1")) in found
