"""The whole chain with a real, tiny network of random weights, through a model file."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

import deephide

ROOT = Path(deephide.__file__).parents[1]

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    return write_tiny_model(tmp_path_factory.mktemp("model") / "tiny.safetensors")


def test_a_secret_survives_a_model_file(model_file, photo, face, make_texture, tmp_path):
    from PIL import Image

    Image.fromarray(make_texture(200, 200, 3)).save(tmp_path / "photo.png")
    result = deephide.embed_file(
        face, tmp_path / "photo.png", tmp_path / "stego.png", "p", model_file, codec="latent"
    )
    found = deephide.extract(tmp_path / "stego.png", "p", model_file)
    assert found.info.model == "tiny" and found.image.size == (32, 32)
    assert np.array_equal(np.asarray(found.image), np.asarray(result.preview))


def test_the_model_itself_is_never_overwritten(model_file, photo, face):
    link = model_file.with_suffix(".png")
    link.symlink_to(model_file)
    with pytest.raises(deephide.OutputError, match="is the input"):
        deephide.embed_file(face, photo, link, "p", model_file, force=True)


def test_threads_do_not_decide_integers(model_file, face):
    import torch

    from deephide import inference, models
    from deephide.codecs.faces import load_square

    model = models.load_model(model_file)
    secret = load_square(face)
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            code = inference.invert(model, secret)
            found.append(models.round_code(models.quantizer_of(model), code))
    finally:
        torch.set_num_threads(before)
    assert found[0].any()
    assert all(np.array_equal(found[0], each) for each in found)


@pytest.mark.slow
def test_processes_agree_on_integers(model_file, face, tmp_path):
    face.save(tmp_path / "face.png")
    code = (
        "import hashlib, sys\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        "from deephide import inference, models\n"
        "from deephide.codecs.faces import load_square\n"
        f"model = models.load_model({str(model_file)!r})\n"
        f"secret = load_square({str(tmp_path / 'face.png')!r})\n"
        "code = inference.invert(model, secret)\n"
        "integers = models.round_code(models.quantizer_of(model), code)\n"
        "print(hashlib.sha256(integers.tobytes()).hexdigest())\n"
    )
    found = set()
    for seed, threads in (("0", "1"), ("123", "2")):
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads}
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            check=True,
            env=environment,
        )
        found.add(done.stdout.strip())
    assert len(found) == 1 and len(found.pop()) == len(hashlib.sha256().hexdigest())


@pytest.mark.parametrize("which", ["tiny", "shipped"])
def test_issue_16_the_specification_says_what_a_fingerprint_covers(model_file, which):
    import format_oracle

    import e2style
    from e2style.checkpoints.locations import locate
    from e2style.checkpoints.shipped import names

    path = model_file if which == "tiny" else locate(names()[0])[0]
    tensors = format_oracle.read_model(path.read_bytes())
    assert format_oracle.model_fingerprint(tensors) == e2style.fingerprint_of(path)
    starts = format_oracle.quantizer_names(tensors)
    assert starts == (["quantizer."] if which == "tiny" else starts) and starts
    for array in ("w_avg", "step", "table_index", "tables"):
        assert all(start + array in tensors for start in starts)
