import io
import zipfile

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from e2style.config import GeneratorConfig
from e2style.data.mix import FaceMix
from e2style.training import metric_base
from e2style.training.metric_base import fit_metric_base

CONFIG = GeneratorConfig(
    size=64, style_dim=8, mapping_layers=0, channel_base=256, channel_max=8, base_side=4,
    base_rows=1, base_channels=24, base_styles=True, base_metric=2,
)  # fmt: skip


@pytest.fixture
def faces(tmp_path):
    """Mixtures of smooth images, of which the last one hardly shows."""
    rng = np.random.default_rng(3)
    small = rng.normal(size=(4, 8, 8, 3)) * 40
    path = tmp_path / "mixtures.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(80):
            shown = rng.normal(size=4) * np.array([0.5, 0.5, 0.5, 0.15])
            values = 128 + np.tensordot(shown, small, 1)
            data = io.BytesIO()
            image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
            image.resize((32, 32), Image.Resampling.BICUBIC).save(data, "PNG")
            archive.writestr(f"m{k:02d}.png", data.getvalue())
    return FaceMix(str(path), 32)


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr(metric_base, "VIEWS", 4)


def _values(base, faces):
    return base.project(faces.batch(torch.arange(len(faces)))).flatten(1)


@pytest.mark.parametrize("weight", [0.0, 1e4])
def test_components_are_orthonormal_under_the_metric_and_spread_as_said(faces, weight):
    torch.manual_seed(0)
    direction = torch.randn(3, 3 * 32 * 32) / 55

    def embed(x):
        return F.normalize(x.flatten(1) @ direction.t())

    fitted = fit_metric_base(
        CONFIG, faces, embed if weight else None, face_weight=4.0, identity_weight=weight,
        passes=1,
    )  # fmt: skip
    base = fitted.base.requires_grad_(False)
    codes = torch.randn(3, 1, 8)
    assert torch.allclose(base.project(base(codes)), codes, atol=2e-3)
    values = _values(base, faces)
    assert torch.allclose(values.std(0), fitted.spread[0], rtol=0.15, atol=0.02)
    assert (fitted.spread[0].diff() <= 1e-5).all()


def test_what_tells_people_apart_comes_first(faces):
    """An embedding that sees one weak pattern moves it to the front."""
    shown = faces.batch(torch.arange(len(faces))).flatten(1)
    weakest = torch.linalg.svd(shown - shown.mean(0), full_matrices=False)[2][6].reshape(3, 32, 32)
    weakest = weakest + weakest.flip(2)

    def embed(x):
        value = (x * weakest).sum((1, 2, 3))
        return torch.stack([value.sin(), value.cos()], 1)

    def agreement(weight):
        torch.manual_seed(0)
        base = fit_metric_base(
            CONFIG, faces, embed, face_weight=4.0, identity_weight=weight, passes=1
        ).base.requires_grad_(False)
        x = faces.batch(torch.arange(len(faces)))
        both = torch.stack([_values(base, faces)[:, 0], (x * weakest).sum((1, 2, 3))])
        return float(torch.corrcoef(both)[0, 1].abs())

    before = agreement(0.0)
    assert agreement(1e6) > max(0.95, before + 0.1)


def test_a_fitted_base_is_saved_with_its_spreads(faces, tmp_path):
    fitted = fit_metric_base(CONFIG, faces, None, face_weight=4.0, passes=2)
    fitted.save(tmp_path / "base.safetensors")
    assert (tmp_path / "base.safetensors").is_file()
    assert fitted.feature_spread.shape == (24,)
