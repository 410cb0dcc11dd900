"""One filter for what networks are shown, in training, evaluation and use."""

import dataclasses
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from deephide import inference
from e2style.applications import restoration
from e2style.data.align import square_of
from e2style.data.archive import decode
from e2style.data.faces import FaceSet
from e2style.data.pairs import PairSet
from e2style.data.scaling import scaled, squared
from e2style.evaluation.measure import measure
from e2style.evaluation.methods import Inverter
from e2style.images import to_tensor
from e2style.inference import interface
from e2style.metrics.features import load_metrics
from e2style.model import InversionModel
from e2style.models.inversion import InversionNetwork


def _lanczos(values, side):
    """Lanczos' filter of three lobes, written down again: (S,) -> (side,)."""
    values = np.asarray(values, np.float64)
    scale = max(len(values) / side, 1)
    centres = (np.arange(side) + 0.5) * len(values) / side
    place = (np.arange(len(values)) + 0.5 - centres[:, None]) / scale
    weights = np.where(np.abs(place) < 3, np.sinc(place) * np.sinc(place / 3), 0)
    return weights / weights.sum(1, keepdims=True) @ values


@pytest.mark.parametrize(("size", "side"), [(90, 16), (50, 64)])
def test_the_filter_is_lanczos_of_three_lobes(size, side):
    row = np.random.default_rng(0).integers(60, 190, size)
    image = Image.fromarray(np.tile(row, (size, 1)).astype(np.uint8))
    found = np.asarray(scaled(image, side))
    assert np.abs(found - np.clip(_lanczos(row, side), 0, 255)).max() <= 1
    assert scaled(image, size) is image


@pytest.fixture
def photo(tmp_path):
    """A noisy image that every filter scales to something else, alone in a zip."""
    noise = np.random.default_rng(1).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    image, file = Image.fromarray(noise), io.BytesIO()
    image.save(file, "PNG")
    with zipfile.ZipFile(tmp_path / "one.zip", "w") as archive:
        archive.writestr("a.png", file.getvalue())
    return image, tmp_path / "one.zip"


class Spying(InversionNetwork):
    """A network that remembers what it was shown."""

    def invert(self, images, stages=None):
        self.seen = images
        return super().invert(images, stages)


def test_training_evaluation_and_use_show_a_network_the_same(photo, config, tiny):
    image, path = photo
    torch.manual_seed(0)
    network = Spying(tiny).eval()
    model = InversionModel(network, fingerprint=bytes(32))
    assert model.image_size == tiny.encoder.image_size == 16
    wanted = to_tensor([image], 16)
    assert not torch.equal(wanted, to_tensor([image.resize((16, 16))], 16))  # another filter

    trained = PairSet(dataclasses.replace(config, flip=False), str(path))
    shown = {
        "stage training": trained.tensors([trained.sample(0)])[0],
        "joint training": FaceSet(path, 16).batch(torch.tensor([0])),
        "restoration": to_tensor([restoration.damaged(image, "super_resolution", 16, 0, 1)], 16),
    }
    interface.invert(model, [image])
    shown["e2style"] = network.seen
    inference.invert(model, image)
    shown["deephide"] = network.seen
    measure(Inverter(network), path, load_metrics(None), side=64)  # compared at another side
    shown["evaluation"] = network.seen
    for where, found in shown.items():
        assert torch.equal(found, wanted), where


def test_what_the_default_model_sees_is_what_it_always_saw(photo, monkeypatch):
    image, seen = photo[0], []

    class Backend:
        def invert(self, images):
            seen.append(images)
            return np.zeros((1, 14, 512), np.float32)

    monkeypatch.setattr("e2style.inference.backends.backend_of", lambda model: Backend())
    model = dataclasses.make_dataclass("Model", [("image_size", int)])(256)
    inference.invert(model, image)
    resized = np.asarray(image.resize((256, 256), Image.Resampling.LANCZOS), np.float32)
    wanted = resized / np.float32(127.5) - np.float32(1)
    assert np.array_equal(seen[0][0], wanted.transpose(2, 0, 1))


@pytest.mark.parametrize("size", [(31, 20), (20, 31), (20, 20)])
@pytest.mark.parametrize("fit", ["letterbox", "crop"])
def test_squares_are_taken_from_where_it_is_said(size, fit):
    x, y = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    photo = Image.fromarray(np.dstack([x + 1, y + 1, x]).astype(np.uint8))
    square = np.asarray(squared(photo, fit))
    low = square_of(size, fit).corners[0]
    assert square.shape[0] == square.shape[1] == square_of(size, fit).side
    rows, columns = np.nonzero(square[..., 0])
    assert (square[rows, columns, 0] == columns + low[0] + 1).all()
    assert (square[rows, columns, 1] == rows + low[1] + 1).all()


def test_label_maps_keep_their_classes(tmp_path):
    labels, file = np.random.default_rng(2).integers(0, 19, (40, 40), dtype=np.uint8), io.BytesIO()
    Image.fromarray(labels).save(file, "PNG")
    found = decode(file.getvalue(), 13, "labels")
    assert set(found.ravel()) <= set(labels.ravel())
