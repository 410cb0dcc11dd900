import numpy as np
import pytest
import skimage.data

from deephide.errors import CheckpointError
from deephide.lab import deep_hiding
from deephide.lab.quality import psnr


@pytest.fixture(scope="module")
def pictures():
    return [
        np.ascontiguousarray(picture[:192:2, :192:2])
        for picture in (skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket())
    ]


@pytest.mark.parametrize("kind", deep_hiding.KINDS)
def test_training_hides_and_reveals_better(kind, pictures):
    cover, secret, _ = pictures
    quality = []
    for steps in (1, 20):
        networks = deep_hiding.train(kind, pictures, steps)
        stego = networks.hide(cover, secret)
        quality.append((psnr(stego, cover), psnr(networks.reveal(stego), secret)))
    assert quality[1][0] > 15
    assert quality[1][1] > quality[0][1]


def test_training_is_the_same_for_the_same_seed(pictures):
    first, again, other = (
        deep_hiding.train("udh", pictures, 2, seed).hide(*pictures[:2]) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("kind", "alike"), [("udh", True), ("ddh", False)])
def test_the_universal_perturbation_does_not_look_at_the_cover(kind, alike, pictures):
    networks = deep_hiding.train(kind, pictures, 1)
    secret = pictures[1].copy()
    covers = np.full_like(secret, 127), np.full_like(secret, 129)
    one, two = (networks.hide(cover, secret).astype(int) - cover for cover in covers)
    inside = (np.abs(one) < 120) & (np.abs(two) < 120)
    assert np.array_equal(one[inside], two[inside]) is alike


def test_networks_come_back_from_their_file(pictures, tmp_path):
    networks = deep_hiding.train("ddh", pictures, 2)
    deep_hiding.save(networks, tmp_path / "ddh.npz")
    loaded = deep_hiding.load(tmp_path / "ddh.npz")
    assert loaded.kind == "ddh"
    stego = networks.hide(*pictures[:2])
    assert np.array_equal(loaded.hide(*pictures[:2]), stego)
    assert np.array_equal(loaded.reveal(stego), networks.reveal(stego))


@pytest.mark.parametrize("content", [None, b"", b"no archive", b"PK\x03\x04"])
def test_files_without_networks_are_refused(content, tmp_path):
    path = tmp_path / "networks.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be loaded"):
        deep_hiding.load(path)


def test_an_archive_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "other.npz", kind=np.array("udh"), other=np.zeros(3))
    with pytest.raises(CheckpointError):
        deep_hiding.load(tmp_path / "other.npz")


def test_an_unknown_kind_is_refused(pictures):
    with pytest.raises(ValueError, match="allowed: udh, ddh"):
        deep_hiding.train("tdh", pictures, 1)
