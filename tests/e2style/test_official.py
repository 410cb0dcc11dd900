"""Full-size parity with the released code, on weights that are filled by formula."""

import numpy as np
import pytest
import torch
from e2style_vectors import SHARED, empty, expected, fill, filled, needs_vectors, pictures, relative

from e2style.errors import CheckpointError
from e2style.losses.features import MobileFaceNet, load_state
from e2style.official import generator_config, is_official, read_generator, read_inversion


@pytest.mark.slow
@needs_vectors
def test_two_stages_and_generator_at_full_size():
    state = filled("e2style_2stage")
    content = {"state_dict": state, "latent_avg": torch.from_numpy(fill().latent_avg())}
    assert is_official(content)
    network = read_inversion(content).eval()
    wanted = expected()
    x = pictures(wanted)
    with torch.inference_mode():
        first = network.invert(x, 1)
        assert relative(first, wanted["stage1_codes"]) < 1e-4
        painted = network.pool(network.synthesize(first[:1]))
        assert relative(painted, wanted["stage1_image_256"]) < 1e-4
        second = network.invert(x, 2)
        assert relative(second, wanted["stage2_codes"]) < 1e-4
        assert relative(second - first, wanted["stage2_residual"]) < 1e-4
        picture = network.synthesize(second[:1])
        assert relative(picture[:, :, 480:544, 480:544], wanted["stage2_image_crop"]) < 1e-4
        pooled = torch.nn.functional.adaptive_avg_pool2d(picture, 64)
        assert relative(pooled, wanted["stage2_image_pool64"]) < 1e-4
        mapped = network.generator.mapping(torch.from_numpy(wanted["z"]))
        assert relative(mapped, wanted["mapping_w"]) < 1e-4


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
    import sys

    sys.path.insert(0, str(SHARED / "tools"))
    try:
        from dlib_distance import read
    finally:
        sys.path.pop(0)
    faces = list(read(SHARED / "data" / "faces" / "val.zip").values())[:6]
    network = load_state(MobileFaceNet(), SHARED / "weights" / "mobilefacenet.npz")
    x = torch.stack([torch.from_numpy(np.asarray(f).copy()) for f in faces]).permute(0, 3, 1, 2)
    x = x.float() / 127.5 - 1
    embeddings = torch.nn.functional.normalize(network(x)[-1])
    brighter = torch.nn.functional.normalize(network((x + 0.1).clamp(-1, 1))[-1])
    same = (embeddings * brighter).sum(1)
    others = embeddings @ embeddings.t() - 2 * torch.eye(6)
    assert same.min() > others.max()
