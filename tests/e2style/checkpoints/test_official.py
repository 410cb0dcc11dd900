"""Full-size parity with the released code, on weights that are filled by formula."""

import numpy as np
import pytest
import torch
from e2style_vectors import SHARED, empty, needs_vectors
from loading import load_module

from e2style.checkpoints.networks import load_state
from e2style.checkpoints.official import generator_config, read_generator
from e2style.errors import CheckpointError
from e2style.models.mobilefacenet import MobileFaceNet


@needs_vectors
def test_generator_files_say_what_is_missing():
    prefix = "decoder."
    state = {
        key.removeprefix(prefix): value
        for key, value in empty("e2style_2stage").items()
        if key.startswith(prefix)
    }
    assert generator_config(state).size == 1024
    generator, average = read_generator({"g_ema": state})
    assert generator.config.n_codes == 18
    assert average is None
    del state["convs.3.conv.weight"]
    with pytest.raises(CheckpointError, match=r"key 'convs\.3\.conv\.weight' is missing"):
        read_generator({"g_ema": state})
    with pytest.raises(CheckpointError, match="g_ema"):
        read_generator({})


def test_feature_networks_name_what_is_missing(tmp_path):
    np.savez(tmp_path / "few.npz", a=np.zeros(3))
    with pytest.raises(CheckpointError, match="bn"):
        load_state(MobileFaceNet(), tmp_path / "few.npz")
    with pytest.raises(CheckpointError, match="none"):
        load_state(MobileFaceNet(), tmp_path / "none.npz")


@pytest.mark.weights
@pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="no weights")
def test_the_recogniser_tells_people_apart():
    faces = list(
        load_module(SHARED / "tools" / "dlib_distance.py")
        .read(SHARED / "data" / "faces" / "val.zip")
        .values()
    )[:6]
    network = load_state(MobileFaceNet(), SHARED / "weights" / "mobilefacenet.npz")
    x = torch.stack([torch.from_numpy(np.asarray(f).copy()) for f in faces]).permute(0, 3, 1, 2)
    x = x.float() / 127.5 - 1
    embeddings = torch.nn.functional.normalize(network(x)[-1])
    brighter = torch.nn.functional.normalize(network((x + 0.1).clamp(-1, 1))[-1])
    same = (embeddings * brighter).sum(1)
    others = embeddings @ embeddings.t() - 2 * torch.eye(6)
    assert same.min() > others.max()
