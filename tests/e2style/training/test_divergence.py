"""What made training diverge, or spoiled codes, without a word."""

import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from e2style.config import ConfigError, EncoderConfig, GeneratorConfig, InversionConfig
from e2style.data.faces import FaceSet
from e2style.model import InversionModel
from e2style.models.base import LinearBase
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import fit_quantizer
from e2style.training.base import fit_base
from e2style.training.loop import Watch

BASED = InversionConfig(
    generator=GeneratorConfig(
        size=64, style_dim=8, mapping_layers=0, channel_base=256, channel_max=8, base_side=4,
        base_rows=1, base_channels=24,
    ),
    encoder=EncoderConfig(
        image_size=16, widths=(8, 8, 8), units=(1, 1, 1), pools=(2, 2, 2), split=(2, 4, 4)
    ),
)  # fmt: skip


@pytest.fixture
def five_faces(tmp_path):
    rng = np.random.default_rng(3)
    path = tmp_path / "five.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(5):
            small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), np.uint8))
            data = io.BytesIO()
            small.resize((64, 64), Image.Resampling.BICUBIC).save(data, "PNG")
            archive.writestr(f"{k}.png", data.getvalue())
    return path


def test_spare_components_of_few_faces_stay_zero(five_faces):
    base = LinearBase(4, 4, 24, 8)
    faces = FaceSet(five_faces, 64)
    fit_base(base, faces, face_weight=4.0, step=10.0)
    x = torch.nn.functional.adaptive_avg_pool2d(faces.batch(torch.arange(5)), 32)
    values = base.project(x).flatten(1)
    assert torch.isfinite(values).all()
    assert values[:, :6].abs().max() > 0.1
    assert (values[:, 10:] == 0).all()


def test_a_loss_that_explodes_or_is_not_finite_stops_training():
    watch = Watch()
    for k in range(300):
        watch.check(1.0, 1.0, k)
    with pytest.raises(ConfigError, match="diverged after 7 images: the loss is not finite"):
        watch.check(float("nan"), 1.0, 7)
    with pytest.raises(ConfigError, match="diverged after 9 images: the loss is 5"):
        for _ in range(300):
            watch.check(20.0, 1.0, 9)


@pytest.mark.parametrize("rounded", [False, True])
def test_rows_behind_the_base_stay_at_the_mean_where_codes_are_meant_to_be_rounded(rounded):
    torch.manual_seed(0)
    network = InversionNetwork(BASED)
    network.w_avg.normal_()
    quantizers = ()
    if rounded:
        faces = np.random.default_rng(0).normal(size=(4, 10, 8)).astype(np.float32)
        quantizers = (fit_quantizer(faces),)
    model = InversionModel(network, fingerprint=bytes(32), quantizers=quantizers)
    codes = model.invert(torch.randn(2, 3, 64, 64))
    mean = network.w_avg[1:].expand(2, -1, -1)
    assert torch.equal(codes[:, 1:], mean) == rounded
