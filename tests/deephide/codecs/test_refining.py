"""Faces whose codes are refined before they are sent, with a recogniser of seeded weights."""

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.errors import CheckpointError
from deephide.models import LazyModel
from e2style.metrics.images import ssim

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A folder with a MobileFaceNet that was never trained."""
    from e2style.models.mobilefacenet import MobileFaceNet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("features")
    state = MobileFaceNet().state_dict()
    np.savez(folder / "mobilefacenet.npz", **{key: each.numpy() for key, each in state.items()})
    return folder


@pytest.fixture
def portrait():
    """Soft shapes about as a face has them, 256 x 256."""
    y, x = np.mgrid[0:256, 0:256] / 128 - 1
    face = np.exp(-((x / 0.55) ** 4) - (y / 0.75) ** 4)
    eyes = sum(np.exp(-(((x - s) / 0.1) ** 2) - ((y + 0.1) / 0.06) ** 2) for s in (-0.25, 0.25))
    levels = np.stack([60 + 140 * face - 90 * eyes, 60 + 90 * face - 60 * eyes, 80 + 60 * face], 2)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def test_what_is_sent_is_better_and_comes_back(portrait, photo, features):
    options = {"codec": "latent", "face": None, "quality": 3}
    plain = deephide.embed(portrait, photo, "p", **options)
    better = deephide.embed(portrait, photo, "p", refine=4, features=features, **options)
    assert "quality 3 of 12, refined in 4 steps: " in better.reason
    assert "refined" not in plain.reason
    likeness = [
        ssim(np.asarray(portrait)[None], np.asarray(each.preview)[None]) for each in (plain, better)
    ]
    assert likeness[1] > likeness[0]
    small = deephide.embed(
        portrait.resize((90, 90)), photo, "p", refine=1, features=features, **options
    )
    assert "refined in one step" in small.reason
    assert deephide.extract(better.stego, "p").image.tobytes() == better.preview.tobytes()


def test_rows_of_a_list_load_model_and_recogniser_once(features):
    from deephide import inference

    model = LazyModel("face256")
    loaded = model.with_torch()
    assert model.with_torch() is loaded
    assert inference._identity(str(features)) is inference._identity(str(features))
    model.release(None)
    assert model.with_torch() is not loaded


def test_a_code_that_would_not_fit_is_sent_as_it_was(portrait, photo, features, monkeypatch):
    from deephide import inference

    def longer(_model, _face, code, *_rest):
        return code * 3

    monkeypatch.setattr(inference, "refine", longer)
    request = {"codec": "latent", "face": None, "quality": 3}
    plain = deephide.embed(portrait, photo, "p", **request)
    most = plain.payload_bits // 8 + 2
    kept = deephide.embed(portrait, photo, "p", refine=1, features=features, budget=most, **request)
    assert "not refined, since that would not fit" in kept.reason
    assert kept.preview.tobytes() == plain.preview.tobytes()


def test_bad_requests(portrait, photo, tmp_path, model):
    for wrong in ({"refine": 3}, {"features": tmp_path}, {"refine": -1, "features": tmp_path}):
        with pytest.raises(ValueError, match="refine: got"):
            deephide.embed(portrait, photo, "p", codec="latent", **wrong)
    with pytest.raises(CheckpointError, match=r"refine: .*neither mobilefacenet\.npz"):
        deephide.embed(portrait, photo, "p", codec="latent", refine=1, features=tmp_path)
    with pytest.raises(CheckpointError, match="not loaded with torch"):
        LazyModel(model).with_torch()
