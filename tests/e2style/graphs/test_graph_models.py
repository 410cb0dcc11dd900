"""Models that run without torch: their files, and their agreement with torch."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_model import write_tiny_model

import e2style
from e2style.checkpoints import shipped, shipped_graphs
from e2style.checkpoints.adding_graphs import add_graphs
from e2style.checkpoints.convert import convert
from e2style.checkpoints.graphs import HEADER_KEY
from e2style.checkpoints.headers import metadata_of
from e2style.checkpoints.onnx_files import write_onnx
from e2style.checkpoints.tensors import read_tensors, write_tensors
from e2style.data import detect
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.graphs.models import GraphModel
from e2style.inference.backends import backend_of
from e2style.metrics import identity

ROOT = Path(__file__).resolve().parents[3]
FACES = sorted((ROOT / "benchmarks" / "demo_faces").glob("face*.png"))
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="module")
def with_graphs(tmp_path_factory):
    """A tiny model file, before and after it got its graphs."""
    folder = tmp_path_factory.mktemp("graphs")
    plain = write_tiny_model(folder / "plain.safetensors")
    assert convert(plain, folder / "graphs.safetensors") == "inversion"
    return plain, folder / "graphs.safetensors"


def _pixels(faces):
    images = [np.asarray(each.resize((256, 256)), np.float32).transpose(2, 0, 1) for each in faces]
    return np.stack(images) / np.float32(127.5) - np.float32(1)


def test_graphs_leave_tensors_and_fingerprint_as_they_were(with_graphs, tmp_path):
    plain, path = with_graphs
    assert HEADER_KEY not in metadata_of(plain)
    assert e2style.fingerprint_of(path) == e2style.fingerprint_of(plain)
    assert e2style.load(path).fingerprint == e2style.load(plain).fingerprint
    before, after = read_tensors(plain), read_tensors(path)
    assert {k: v for k, v in after[0].items() if k != HEADER_KEY} == before[0]
    assert all(torch.equal(value, after[1][key]) for key, value in before[1].items())
    assert path.stat().st_size - plain.stat().st_size < 100_000
    add_graphs(path, tmp_path / "again.safetensors")
    again = read_tensors(tmp_path / "again.safetensors")
    assert again[0] == after[0]  # in whatever order the file lists them
    assert all(torch.equal(value, again[1][key]) for key, value in after[1].items())


def test_a_file_with_graphs_loads_for_either_backend(with_graphs, monkeypatch):
    plain, path = with_graphs
    model, reference = e2style.load_for_inference(path), e2style.load(path)
    assert isinstance(model, GraphModel)
    for name in (
        "fingerprint", "name", "n_codes", "output_size", "image_size", "quality", "card",
        "accept_psnr", "accept_bits", "accept_likeness", "accept_face",
    ):  # fmt: skip
        assert getattr(model, name) == getattr(reference, name), name
    counts = e2style.count_parameters(reference.config)
    assert model.parameters == {key: counts[key] for key in ("generator", "encoder")}
    np.testing.assert_array_equal(model.quantizer.step, reference.quantizer.step)
    x = np.random.default_rng(1).uniform(-1, 1, (3, 3, 64, 64)).astype(np.float32)
    one, other = backend_of(model), backend_of(reference)
    codes = one.invert(x)
    np.testing.assert_allclose(codes, other.invert(x), atol=1e-4)
    np.testing.assert_allclose(one.synthesize(codes), other.synthesize(codes), atol=1e-4)
    # A file without graphs, and whoever asks for torch, get torch.
    assert isinstance(e2style.load_for_inference(plain), e2style.InversionModel)
    monkeypatch.setenv("DEEPHIDE_BACKEND", "torch")
    assert isinstance(e2style.load_for_inference(path), e2style.InversionModel)
    monkeypatch.setenv("DEEPHIDE_BACKEND", "abacus")
    with pytest.raises(ConfigError, match="onnxruntime, torch"):
        e2style.load_for_inference(path)


def test_wrong_shapes_are_rejected(with_graphs):
    model = e2style.load_for_inference(with_graphs[1])
    with pytest.raises(DataError, match="images"):
        model.invert(np.zeros((1, 3, 256, 256), np.float32))
    with pytest.raises(DataError, match="stages"):
        model.invert(np.zeros((1, 3, 64, 64), np.float32), 2)
    with pytest.raises(DataError, match="codes"):
        model.synthesize(np.zeros((1, 5, 512), np.float32))


@pytest.mark.parametrize(
    ("name", "node", "match"),
    [
        ("generate", ["Loop", ["codes"], ["x"], {}], "not among those allowed"),
        ("generate", ["Relu", ["nothing.like.it"], ["x"], {}], "is missing"),
        ("generate", ["Relu", ["codes"], ["x"], {}], "gives shape"),
        ("invert.1", ["Relu", ["images"], ["x"], {}], "gives shape"),
    ],
)
def test_a_file_with_crafted_graphs_is_an_error(with_graphs, tmp_path, name, node, match):
    header, tensors = read_tensors(with_graphs[1])
    listed = json.loads(header[HEADER_KEY])
    listed[name] |= {"nodes": [node], "outputs": ["x"]}
    path = tmp_path / "crafted.safetensors"
    write_tensors(path, tensors, header | {HEADER_KEY: json.dumps(listed)})
    assert e2style.fingerprint_of(path) == e2style.fingerprint_of(with_graphs[1])
    with pytest.raises((CheckpointError, DataError), match=match):
        model = e2style.load_for_inference(path)
        model.invert(np.zeros((1, 3, 64, 64), np.float32))
        model.synthesize(np.zeros((1, model.n_codes, 512), np.float32))


def test_files_beside_shipped_weights_belong_to_them(monkeypatch, tmp_path):
    assert {*shipped_graphs.BESIDE} <= {
        *(digest for _, digest in shipped.built_in().values()),
        *shipped.OTHERS.values(),
    }
    digest = shipped.SHIPPED["face256"][1]
    name, _ = shipped_graphs.BESIDE[digest]
    monkeypatch.setitem(shipped_graphs.BESIDE, digest, (name, "0" * 64))
    with pytest.raises(CheckpointError, match="differs"):
        e2style.load_for_inference()
    other = shipped_graphs.BESIDE[shipped.OTHERS["mtcnn"]]
    monkeypatch.setitem(shipped_graphs.BESIDE, digest, other)
    with pytest.raises(CheckpointError, match="belongs to other weights"):
        e2style.load_for_inference()


@pytest.mark.parametrize("name", [shipped.DEFAULT, shipped.RESTORER])
def test_shipped_models_generate_the_same_on_both_backends(name):
    """On the faces of the repository; the next test does so on hundreds."""
    model, reference = e2style.load_for_inference(name), e2style.load_model(name)
    assert isinstance(model, GraphModel)
    x = _pixels([Image.open(path).convert("RGB") for path in FACES])
    codes, wanted = model.invert(x), backend_of(reference).invert(x)
    np.testing.assert_allclose(codes, wanted, atol=1e-3 * np.abs(wanted).max())
    _assert_same_levels(model.synthesize(wanted), backend_of(reference).synthesize(wanted))
    if model.quantizer is not None:
        same = model.quantizer.quantise(codes) == model.quantizer.quantise(wanted)
        assert np.count_nonzero(~same) <= 1 + same.size // 10_000


def _assert_same_levels(one, other):
    levels = [np.rint((each.clip(-1, 1) + 1) * 127.5) for each in (one, other)]
    assert np.abs(levels[0] - levels[1]).max() <= 1


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="no ../shared")
def test_two_hundred_faces_get_the_same_integers():
    from e2style.data.archive import Archive, decode

    archive = Archive(SHARED / "data" / "faces" / "val.zip")
    model, reference = e2style.load_for_inference(), e2style.load_model()
    different = total = 0
    for name in archive.names[:200]:
        pixels = decode(archive.read(name), 256)
        x = _pixels([Image.fromarray(pixels)])
        wanted = backend_of(reference).invert(x)
        quantizer = model.quantizer
        integers = quantizer.quantise(wanted)
        different += np.count_nonzero(quantizer.quantise(model.invert(x)) != integers)
        total += integers.size
        codes = quantizer.dequantise(integers)
        _assert_same_levels(model.synthesize(codes), backend_of(reference).synthesize(codes))
    archive.close()
    assert different <= total / 10_000


def test_faces_are_found_and_compared_alike_on_both_backends(monkeypatch):
    photo = Image.open(FACES[0]).convert("RGB").resize((320, 320))
    wide = Image.new("RGB", (700, 500), (90, 120, 90))
    wide.paste(photo, (250, 60))
    pair = [np.asarray(Image.open(path).convert("RGB")) for path in FACES[:2]]
    found, alike = [], []
    for backend in ("onnxruntime", "torch"):
        monkeypatch.setenv("DEEPHIDE_BACKEND", backend)
        detect._shipped.cache_clear()
        identity._recogniser.cache_clear()
        found.append(detect.load_detector().find(wide))
        alike.append(identity.similarity(*pair))
    detect._shipped.cache_clear()
    identity._recogniser.cache_clear()
    (one,), (other,) = found
    np.testing.assert_allclose(one.box, other.box, atol=0.05)
    np.testing.assert_allclose(one.landmarks, other.landmarks, atol=0.05)
    assert abs(one.score - other.score) < 1e-4
    assert abs(alike[0] - alike[1]) < 1e-5


@pytest.mark.parametrize(("before", "after"), [(7, 3), (12, 12), (10, 24), (1, 5), (9, 4)])
def test_areas_are_averaged_as_torch_does(before, after):
    x = np.random.default_rng(2).normal(size=(1, 3, before, before + 1)).astype(np.float32)
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(x), size=(after, after + 2), mode="area"
    )
    np.testing.assert_allclose(detect.averaged(x, (after, after + 2)), wanted, atol=1e-6)


WITHOUT_TORCH = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def test_deephide_hides_a_face_without_torch(tmp_path):
    program = (
        WITHOUT_TORCH
        + f"""
import numpy as np
from PIL import Image
import deephide, e2style
noise = np.random.default_rng(0).integers(1, 255, (256, 256, 3), dtype=np.uint8)
sent = deephide.embed({str(FACES[0])!r}, Image.fromarray(noise), "secret", codec="auto")
found = deephide.extract(sent.stego, "secret")
assert found.image.tobytes() == sent.preview.tobytes()
e2style.verify("face256")
print([sent.codec, "torch" in sys.modules])
"""
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    assert ast.literal_eval(done.stdout.splitlines()[-1]) == ["latent", False]


def test_what_needs_torch_says_what_to_install(with_graphs, tmp_path):
    for command, code in (
        (["e2style", "train", "--preset", "x"], 2),
        (["e2style", "count"], 2),
        (["deephide", "models", "info", str(with_graphs[0])], 7),
    ):
        program = (
            WITHOUT_TORCH
            + f"""
import importlib.util
seen = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else seen(name, *rest)
sys.argv = {command!r}
from cli.start import {command[0]} as run
run()
"""
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
        )
        if command[1] != "train":
            assert done.returncode == code, done.stderr
            assert "torch" in done.stderr and "deephide[train]" in done.stderr
            assert "Traceback" not in done.stderr


def test_onnx_files_need_no_other_file(with_graphs, tmp_path):
    import onnxruntime

    folder = tmp_path / "networks"
    files = write_onnx(with_graphs[0], folder)
    assert [path.name for path in files] == ["invert.1.onnx", "generate.onnx"]
    model = e2style.load_for_inference(with_graphs[1])
    x = np.random.default_rng(5).uniform(-1, 1, (2, 3, 64, 64)).astype(np.float32)
    codes = model.invert(x)
    alone = tmp_path / "alone.onnx"
    for path, name, array, wanted in (
        (files[0], "images", x, model.networks.run("invert.1", x)[0]),
        (files[1], "codes", codes, model.synthesize(codes)),
    ):
        alone.write_bytes(path.read_bytes())
        session = onnxruntime.InferenceSession(alone, providers=["CPUExecutionProvider"])
        assert [each.name for each in session.get_inputs()] == [name]
        np.testing.assert_allclose(session.run(None, {name: array})[0], wanted, atol=1e-4)
