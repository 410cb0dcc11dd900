import dataclasses
import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from e2style.config import (
    EncoderConfig,
    GeneratorConfig,
    InversionConfig,
    LossConfig,
    TrainConfig,
)

TINY = InversionConfig(
    name="tiny",
    generator=GeneratorConfig(size=16, mapping_layers=0, channel_base=128, channel_max=8),
    encoder=EncoderConfig(
        image_size=16, widths=(8, 8, 8), units=(1, 1, 2), pools=(2, 2, 2), split=(1, 1, 4)
    ),
)


@pytest.fixture
def tiny():
    """A member of the family that trains in milliseconds."""
    return TINY


@pytest.fixture
def faces_zip(tmp_path):
    """A zip of twelve smooth images, one of them damaged."""
    rng = np.random.default_rng(5)
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(12):
            small = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
            picture = Image.fromarray(small).resize((32, 32), Image.Resampling.BICUBIC)
            data = io.BytesIO()
            picture.save(data, "PNG")
            cut = 40 if k == 7 else None
            archive.writestr(f"f{k:02d}.png", data.getvalue()[:cut])
    return path


@pytest.fixture
def train_config(tiny, faces_zip):
    return TrainConfig(
        model=tiny,
        loss=LossConfig(l2=1.0, lpips=0.0, identity=0.0, parsing=0.0, rate=1e-4),
        data=str(faces_zip),
        images=24,
        batch=4,
        warmup_images=4,
        precision="fp32",
        snapshot_images=12,
        report_images=8,
        threads=1,
    )


@pytest.fixture
def trained(train_config, tmp_path):
    """A run folder of a finished tiny training."""
    from e2style.training.loop import train

    run = tmp_path / "run"
    train(dataclasses.replace(train_config), run)
    return run


@pytest.fixture
def generator(tiny, tmp_path):
    """A model file, whose generator is the frozen one."""
    import torch

    from e2style.checkpoints.saving import save
    from e2style.models.inversion import InversionNetwork

    torch.manual_seed(7)
    network = InversionNetwork(tiny)
    network.generator.seed_noise(7)
    network.w_avg.normal_()
    path = tmp_path / "generator.safetensors"
    save(path, network)
    return str(path)


@pytest.fixture
def config(tiny, faces_zip, generator):
    """Settings of a short training of one stage on the generator."""
    return TrainConfig(
        model=tiny,
        loss=LossConfig(l2=1.0, lpips=0.0, identity=0.0, parsing=0.0),
        stage=1,
        generator=generator,
        data=str(faces_zip),
        images=24,
        batch=4,
        optimizer="ranger",
        schedule="constant",
        warmup_images=0,
        ema_images=8,
        precision="fp32",
        snapshot_images=8,
        report_images=4,
        workers=2,
        threads=1,
        balance=False,
    )


@pytest.fixture
def stop_after():
    """Make a progress callback that interrupts the loop in the step after so many images."""

    def make(images):
        def progress(done, total):
            if done > images:
                raise KeyboardInterrupt

        return progress

    return make
