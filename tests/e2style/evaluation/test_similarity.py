"""The small recogniser that ships: one person and two, as it sees them."""

import io
import itertools
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from copies import assert_same_output, assert_same_weights
from files import files_in
from PIL import Image

import e2style
from e2style.checkpoints.networks import SMALL_RECOGNISER, load_network, save_network
from e2style.inference.interface import generate, invert
from e2style.metrics.identity import DIFFERENT, similarity
from e2style.models.recognisers import SmallRecogniser

ROOT = Path(__file__).resolve().parents[3]
VALIDATION = ROOT.parent / "shared" / "data" / "faces" / "val.zip"
DEMO = files_in(ROOT / "benchmarks" / "demo_faces", "*.png")


def _face(path):
    with Image.open(path) as picture:
        return picture.convert("RGB")


def test_a_face_is_itself_at_any_size_and_nobody_else():
    faces = [_face(path) for path in DEMO]
    for face in faces:
        pair = np.asarray(face), np.asarray(face.resize((200, 200), Image.Resampling.BICUBIC))
        assert similarity(*pair) > 0.9
        assert similarity(pair[0], pair[0]) == pytest.approx(1.0, abs=1e-5)
    apart = [similarity(np.asarray(faces[0]), np.asarray(other)) for other in faces[1:]]
    assert max(apart) < DIFFERENT


@pytest.mark.weights
@pytest.mark.skipif(not VALIDATION.exists(), reason=f"needs {VALIDATION}")
def test_painted_faces_are_themselves_and_others_are_not():
    with zipfile.ZipFile(VALIDATION) as archive:
        names = sorted(archive.namelist())[::18]
        faces = [Image.open(io.BytesIO(archive.read(name))).convert("RGB") for name in names]
    model = e2style.load()
    codes = invert(model, faces)
    quantizer = model.quantizers[model.quality - 1]
    generated = generate(model, quantizer.dequantise(quantizer.quantise(codes)))
    pictures = [np.asarray(face) for face in faces]
    same = [similarity(a, np.asarray(b)) for a, b in zip(pictures, generated, strict=True)]
    others = [similarity(a, b) for a, b in itertools.pairwise(pictures)]
    assert min(same) > DIFFERENT > np.mean(others)
    assert np.mean(same) > np.mean(others) + 0.4


def test_the_file_holds_the_recogniser_and_can_be_written_again(tmp_path):
    network = load_network(SMALL_RECOGNISER)
    assert isinstance(network, SmallRecogniser)
    save_network(tmp_path / "again.safetensors", network, half=True)
    x = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.inference_mode():
        again = load_network(tmp_path / "again.safetensors")
        assert_same_weights(network, again)
        found = again(x)
        assert_same_output(found, network(x))
    assert found.norm(dim=1).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert (tmp_path / "again.safetensors").stat().st_size < 1.5e6
