"""Costs beside those of conseal, which equals the programs that the authors published.

conseal is run, never copied. Where it rounds on purpose (HILL in single precision, MiPOD's table
and search), what it defines is compared instead, and its own figures to within its rounding.
"""

from types import SimpleNamespace

import conseal as cl
import jpeglib
import numpy as np
import pytest
from conseal.hill import _costmap as conseal_hill
from conseal.juniward import _costmap as conseal_juniward
from conseal.mipod import _costmap as conseal_mipod
from conseal.suniward import _costmap as conseal_suniward
from conseal.uerd import _costmap as conseal_uerd
from conseal.wow import _costmap as conseal_wow
from PIL import Image

import stc
from stc.costs._dct import COSINES, decoded
from stc.costs.mipod import change_rates, fisher_information


def _photo(name):
    from skimage import data

    return {"camera": data.camera, "chelsea": data.chelsea, "coffee": data.coffee}[name]()


def _picture(name):
    y, x = np.mgrid[:61, :83]
    if name == "photo":
        picture = _photo("camera")[100:292, 80:272]
    elif name == "colour channel, odd sizes":
        picture = _photo("coffee")[101:252, 203:300, 1]
    elif name == "saturated photo":
        picture = np.clip((_photo("chelsea")[:150, :140, 0].astype(int) - 128) * 4 + 128, 0, 255)
    else:
        picture = {
            "flat": np.full((61, 83), 100),
            "black": np.zeros((61, 83)),
            "white": np.full((61, 83), 255),
            "checkerboard": (x + y) % 2 * 200 + 20,
            "saturated checkerboard": (x + y) % 2 * 255,
            "stripes": x % 2 * 100 + 7,
            "squares": (x // 8 + y // 8) % 2 * 255,
            "ramp": x + y,
            "noise": np.random.default_rng(0).integers(0, 256, (61, 83)),
            "one dot": (x == 40) & (y == 30),
            "thin": x[:5] * y[:5] % 251,
            "one pixel": np.full((1, 1), 7),
        }[name]
    return picture.astype(np.uint8)


PICTURES = [
    "photo", "colour channel, odd sizes", "saturated photo", "flat", "black", "white",
    "checkerboard", "saturated checkerboard", "stripes", "squares", "ramp", "noise", "one dot",
    "thin", "one pixel",
]  # fmt: skip


@pytest.fixture(params=PICTURES)
def picture(request):
    return _picture(request.param)


def test_hill_equals_conseal_in_double_precision(picture, monkeypatch):
    theirs = conseal_hill._compute_cost(picture)
    np.testing.assert_allclose(stc.costs.hill(picture), theirs, rtol=2e-5)
    # Its own lines again, with float32 taken out of their mouth.
    double = SimpleNamespace(
        array=lambda values, dtype: np.array(values, float),
        ones=lambda shape, dtype: np.ones(shape),
        abs=np.abs,
    )
    monkeypatch.setattr(conseal_hill, "np", double)
    cover = SimpleNamespace(astype=lambda _: picture.astype(float))
    theirs = conseal_hill._compute_cost(cover)
    assert theirs.dtype == np.float64
    np.testing.assert_allclose(stc.costs.hill(picture), theirs, rtol=1e-12)


def test_suniward_equals_conseal(picture):
    theirs = conseal_suniward.compute_cost(picture.astype(float))
    np.testing.assert_allclose(stc.costs.suniward(picture), theirs, rtol=1e-12)


def test_wow_equals_conseal(picture):
    ours = stc.costs.wow(picture)
    p1, _ = conseal_wow.compute_cost_adjusted(picture)
    theirs = conseal_wow.compute_cost(picture)
    wet = theirs > 1e10
    assert np.array_equal(np.isinf(ours), wet)
    assert (p1[wet] == 1e10).all()
    # A cost is the reciprocal of residuals that carry dust of 1e-13: above a few thousand it
    # loses digits here and there alike.
    dry = theirs[~wet]
    assert (np.abs(ours[~wet] - dry) <= (1e-9 + 1e-13 * dry) * dry).all()


@pytest.mark.filterwarnings("ignore:invalid variance in flat areas")
def test_mipod_equals_conseal(picture):
    information = fisher_information(picture)
    np.testing.assert_allclose(information, conseal_mipod.compute_cost(picture), rtol=1e-12)
    payload = 0.4 * picture.size
    rates = change_rates(information, payload)
    (theirs, _), _ = cl.mipod.probability(picture, 0.4)
    # Its rates come from a table with steps of 0.01, and its multiplier from a bisection.
    np.testing.assert_allclose(rates, theirs, rtol=4e-3)
    # What the table and the bisection stand for, to the last digits: one multiplier for all
    # pixels, and the payload.
    multipliers = np.log(1 / rates - 2) / (information * rates)
    np.testing.assert_allclose(multipliers, multipliers.flat[0], rtol=1e-9)
    stay = 1 - 2 * rates
    entropy = -(2 * rates * np.log2(rates) + stay * np.log2(stay)).sum()
    assert entropy == pytest.approx(payload, rel=1e-11)


@pytest.fixture
def components(tmp_path):
    """Return the components of a 4:2:0 photo, and synthetic ones, with their tables."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(_photo("chelsea")[:144, :208]).save(path, quality=85, subsampling=2)
    jpeg = jpeglib.read_dct(path)
    rng = np.random.default_rng(1)
    sparse = rng.integers(-30, 31, (5, 7, 8, 8)) * (rng.random((5, 7, 8, 8)) < 0.05)
    flat = np.zeros((4, 5, 8, 8), int)
    flat[..., 0, 0] = 3
    loud = rng.integers(-1024, 1025, (3, 2, 8, 8))
    table = rng.integers(1, 60, (8, 8))
    return {
        "luma": (jpeg.Y, jpeg.qt[0]),
        "chroma": (jpeg.Cb, jpeg.qt[1]),
        "sparse": (sparse, table),
        "flat": (flat, table),
        "one block": (sparse[:1, :1], table),
        "loud": (loud, table),
    }


COMPONENTS = ["luma", "chroma", "sparse", "flat", "one block", "loud"]


@pytest.mark.parametrize("name", COMPONENTS)
@pytest.mark.parametrize("implementation", ["fix_off_by_one", "original"])
def test_juniward_equals_conseal(components, name, implementation):
    blocks, table = components[name]
    pixels = decoded(np.asarray(blocks, float), np.asarray(table, float))
    quirk = conseal_juniward.Implementation["JUNIWARD_" + implementation.upper()]
    theirs = conseal_juniward.compute_cost(pixels, table, implementation=quirk)
    for given in (None, pixels):
        ours = stc.costs.juniward(blocks, table, given, implementation=implementation)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    if name == "luma":
        default = stc.costs.juniward(blocks, table)
        assert np.array_equal(default, ours) == (implementation == "fix_off_by_one")
    if np.abs(blocks[..., 1:, 1:]).max():
        theirs = conseal_juniward.compute_cost_adjusted(pixels, blocks, table, implementation=quirk)
        for here, there in zip(stc.costs.wet(blocks, ours, -1023, 1023), theirs, strict=True):
            assert np.array_equal(np.isinf(here), there == 1e13)


@pytest.mark.parametrize("name", COMPONENTS)
def test_uerd_equals_conseal(components, name):
    blocks, table = components[name]
    ours = stc.costs.uerd(blocks, table)
    np.testing.assert_allclose(ours, conseal_uerd.compute_cost(blocks, table), rtol=1e-12)
    theirs = conseal_uerd.compute_cost_adjusted(blocks, table)
    for here, there in zip(stc.costs.wet(blocks, ours, -1023, 1023), theirs, strict=True):
        assert np.array_equal(np.isinf(here), there == 1e13)


def test_decoding_equals_libjpeg_within_one(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(_photo("camera")[:96, :128]).save(path, quality=75)
    jpeg = jpeglib.read_dct(path)
    ours = decoded(jpeg.Y.astype(float), jpeg.qt[0].astype(float))
    theirs = np.asarray(Image.open(path), float)
    assert np.abs(ours - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.05


def test_a_cost_of_a_jpeg_coefficient_is_what_its_change_does_to_the_residuals(components):
    """The definition, by changing one coefficient and filtering anew."""
    blocks, table = components["luma"]
    blocks = blocks[4:7, 5:8].astype(float)
    table = table.astype(float)
    pixels = np.rint(128 + 8 * np.random.default_rng(2).standard_normal((24, 24)))
    rho = stc.costs.juniward(blocks.astype(int), table.astype(int), pixels)
    for u, v in ((0, 0), (3, 5), (7, 0)):
        changed = pixels.copy()
        changed[8:16, 8:16] += table[u, v] * np.outer(COSINES[u], COSINES[v])
        assert rho[1, 1, u, v] == pytest.approx(
            conseal_juniward.evaluate_cost(pixels, changed), rel=1e-9
        )
