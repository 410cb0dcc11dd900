"""The full-size path on an official-format file: parity, calibration, hiding, regeneration."""

import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch
from copies import assert_same_output, assert_same_weights
from e2style_vectors import expected, needs_vectors, pictures, relative
from PIL import Image

import deephide
import e2style
from e2style.calibration import calibrate_file
from e2style.checkpoints.convert import convert

pytestmark = [pytest.mark.slow, pytest.mark.weights, needs_vectors]


def test_two_stages_and_generator_compute_what_the_official_code_computes(official_file):
    network = e2style.load(official_file).network
    wanted = expected()
    x = pictures(wanted)
    with torch.inference_mode():
        first = network.invert(x, 1)
        assert relative(first, wanted["stage1_codes"]) < 1e-4
        generated = network.pool(network.synthesize(first))
        assert relative(generated[:1], wanted["stage1_image_256"]) < 1e-4
        residual = network.encoders[1](torch.cat([x, generated], 1))
        assert relative(residual, wanted["stage2_residual"]) < 1e-4
        second = network.invert(x[:1])
        assert relative(second, wanted["stage2_codes"][:1]) < 1e-4
        picture = network.synthesize(second)
        assert relative(picture[:, :, 480:544, 480:544], wanted["stage2_image_crop"]) < 1e-4
        pooled = torch.nn.functional.adaptive_avg_pool2d(picture, 64)
        assert relative(pooled, wanted["stage2_image_pool64"]) < 1e-4
        mapped = network.generator.mapping(torch.from_numpy(wanted["z"]))
        assert relative(mapped, wanted["mapping_w"]) < 1e-4


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A zip of the two images of the vectors."""
    path = tmp_path_factory.mktemp("faces") / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k, picture in enumerate(expected()["x_u8"]):
            with archive.open(f"{k}.png", "w") as file:
                Image.fromarray(picture).save(file, "PNG")
    return path


def _photo(side=512):
    rng = np.random.default_rng(3)
    coarse = rng.normal(0, 9, (side // 8, side // 8, 3)).repeat(8, 0).repeat(8, 1)
    fine = rng.normal(128, 12, (side, side, 3))
    return Image.fromarray(np.clip(fine + coarse, 1, 254).astype("u1"))


def test_a_face_travels_through_the_real_network(official_file, faces, tmp_path):
    model = tmp_path / "calibrated.safetensors"
    found = calibrate_file(official_file, faces, model, half=True, step=0.5)
    assert 0 < found.bits < found.limits.accept_bits
    secret = Image.fromarray(expected()["x_u8"][0])
    stego = tmp_path / "stego.png"
    sent = deephide.embed_file(secret, _photo(), stego, "open sesame", model, codec="latent")
    assert sent.integers.shape == (18, 512)
    got = deephide.extract(stego, "open sesame", model)
    assert got.image.size == (1024, 1024)
    # Same machine, same integers: the sender's preview is what the receiver sees.
    assert np.array_equal(np.asarray(got.image), np.asarray(sent.preview))
    # Weights in half precision and a step of half move the code by less than a step.
    loaded = e2style.load(model)
    code = loaded.quantizer.dequantise(sent.integers)
    assert np.abs(code - expected()["stage2_codes"][0]).max() < 0.4
    # The rounding is no worse in the image than its noise lets expect.
    error = np.abs(code - expected()["stage2_codes"][0])
    assert error.mean() < 0.14  # a quarter of a step of 0.5 is 0.125
    model.unlink()


def test_the_integers_of_the_paper_travel_with_the_original_file(official_file, tmp_path):
    secret = Image.fromarray(expected()["x_u8"][0])
    stego = tmp_path / "stego.png"
    sent = deephide.embed_file(
        secret, _photo(640), stego, "open sesame", official_file, codec="paper", rounding="floor"
    )
    assert np.array_equal(sent.integers, np.floor(expected()["stage2_codes"][0]))
    assert sent.payload_bits > 18 * 512 * 9
    got = deephide.extract(stego, "open sesame", official_file)
    assert got.image.size == (1024, 1024)
    assert np.array_equal(np.asarray(got.image), np.asarray(sent.preview))


JOURNEY = """
import sys
import numpy as np
import torch
from PIL import Image
import deephide
from e2style.speed.inference import peak_mib

secret, cover, folder, model = sys.argv[1:]
stego = folder + "/stego.png"
sent = deephide.embed_file(
    Image.open(secret), Image.open(cover), stego, "open sesame", model,
    codec="paper", rounding="nearest",
)
got = deephide.extract(stego, "open sesame", model)
assert np.array_equal(np.asarray(got.image), np.asarray(sent.preview))
np.save(folder + "/integers.npy", sent.integers)
print(peak_mib(torch.device("cpu")))
"""


def test_the_whole_path_stays_under_six_gigabytes(official_file, tmp_path):
    Image.fromarray(expected()["x_u8"][0]).save(tmp_path / "secret.png")
    _photo(640).save(tmp_path / "cover.png")
    where = (tmp_path / "secret.png", tmp_path / "cover.png", tmp_path, official_file)
    done = subprocess.run(
        [sys.executable, "-c", JOURNEY, *map(str, where)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert 500 < int(done.stdout) < 6000
    integers = np.load(tmp_path / "integers.npy")
    assert np.array_equal(integers, np.rint(expected()["stage2_codes"][0]))


def test_original_and_converted_file_are_one_model(official_file, tmp_path):
    target = tmp_path / "converted.safetensors"
    assert convert(official_file, target) == "inversion"
    original, converted = e2style.load(official_file), e2style.load(target)
    assert converted.fingerprint == original.fingerprint == e2style.fingerprint_of(target)
    assert converted.config == original.config
    x = pictures(expected())[:1]
    assert_same_weights(original.network, converted.network)
    assert_same_output(converted.invert(x, 1), original.invert(x, 1))
    target.unlink()
