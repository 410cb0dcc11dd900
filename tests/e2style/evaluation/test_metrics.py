"""Numbers of the evaluation: against plain formulas, and other people's networks by their names."""

import hashlib
import importlib.util
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from e2style_vectors import SHARED, expected, filled, needs_vectors, pictures
from loading import load_module

from e2style.checkpoints.kinds import KINDS, read_feature_network
from e2style.checkpoints.networks import load_network
from e2style.errors import CheckpointError
from e2style.images import as_compared
from e2style.metrics import features, fetching
from e2style.metrics.distributions import FeatureDistances
from e2style.metrics.features import NETWORKS, load_metrics
from e2style.metrics.images import mse, psnr, ssim
from e2style.metrics.spread import mean_of
from e2style.models.inception import Inception, enlarge_as_tensorflow
from e2style.models.recognisers import CURRICULAR_UNITS, CurricularFace, DlibResNet


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    b = np.clip(a + rng.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    return a, b


def _naive_ssim(a, b):
    """Wang et al. 2004, one window at a time, on one channel."""
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at**2) / (2 * 1.5**2))
    window /= window.sum()
    values = []
    a, b = (np.pad(plane, 5, mode="reflect") for plane in (a, b))
    for y in range(a.shape[0] - 10):
        for x in range(a.shape[1] - 10):
            p, q = a[y : y + 11, x : x + 11], b[y : y + 11, x : x + 11]
            mp, mq = (window * p).sum(), (window * q).sum()
            vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
            cov = (window * (p - mp) * (q - mq)).sum()
            c1, c2 = 2.55**2, 7.65**2
            top = (2 * mp * mq + c1) * (2 * cov + c2)
            values.append(top / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    return np.mean(values)


def test_pixel_metrics_are_their_formulas(pair):
    a, b = pair
    x, y = a.astype(float), b.astype(float)
    for k in range(2):
        error = np.mean((x[k] - y[k]) ** 2)
        assert psnr(a, b)[k] == pytest.approx(10 * np.log10(255**2 / error))
        assert mse(a, b)[k] == pytest.approx(np.mean((x[k] / 127.5 - y[k] / 127.5) ** 2))
        wanted = np.mean([_naive_ssim(x[k, ..., c], y[k, ..., c]) for c in range(3)])
        assert ssim(a, b)[k] == pytest.approx(wanted, abs=1e-4)
    assert ssim(a, a) == pytest.approx(1)
    assert psnr(a, a).min() > 100


def test_pictures_are_averaged_down_and_enlarged_after_rounding():
    x = torch.rand(1, 3, 8, 8) * 2 - 1
    down = as_compared(x, 4)
    wanted = (x.reshape(1, 3, 4, 2, 4, 2).mean((3, 5)) + 1) * 127.5
    assert np.abs(down[0].transpose(2, 0, 1) - wanted[0].numpy()).max() <= 0.5 + 1e-3
    flat = torch.full((1, 3, 8, 8), 0.3)
    assert (as_compared(flat, 16) == round(1.3 * 127.5)).all()
    assert as_compared(torch.full((1, 3, 8, 8), 7.0), 8).max() == 255


def test_the_interval_covers_the_mean_and_narrows():
    rng = np.random.default_rng(1)
    few, many = mean_of(rng.normal(3, 1, 20)), mean_of(rng.normal(3, 1, 2000))
    for found in (few, many):
        assert found.low < found.mean < found.high
        assert found.low < 3 < found.high
    assert many.high - many.low == pytest.approx(2 * 1.96 / 2000**0.5, rel=0.1)
    assert few.high - few.low > 4 * (many.high - many.low)
    assert mean_of([1.0, np.inf, np.nan]).count == 1
    assert np.isnan(mean_of([]).mean)


def test_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(2)
    found = [mean_of(rng.exponential(1, 60), rounds=300) for _ in range(200)]
    share = np.mean([f.low <= 1 <= f.high for f in found])
    assert 0.88 < share < 0.99


def test_what_is_missing_names_its_file(tmp_path):
    for folder in (None, tmp_path):
        found = load_metrics(folder)
        # EfficientNet-lite0 may come from a package that is installed.
        assert set(found.missing) - {"frechet_lite0"} == {*NETWORKS, "kid"}
        assert not found.pairs
        for key in (*NETWORKS, "kid"):
            reason = found.missing[key]
            assert KINDS[NETWORKS["fid" if key == "kid" else key]].files[0] in reason
    torch.save({"a": torch.zeros(1)}, tmp_path / KINDS["curricular"].files[0])
    with pytest.raises(CheckpointError, match="no network that is known"):
        load_metrics(tmp_path)


def _inception_state():
    """Seeded weights under the names of the file that FID programs download."""
    source = torch.Generator().manual_seed(1)
    state = {}
    for key, value in Inception().state_dict().items():
        name = key.partition(".")[2]
        if name.endswith("num_batches_tracked"):
            continue  # as in files from before torch 0.4
        if name.endswith("running_var"):
            state[name] = torch.rand(value.shape, generator=source) + 0.5
        elif value.ndim > 1:
            drawn = torch.randn(value.shape, generator=source)
            state[name] = drawn / value[0].numel() ** 0.5
        else:
            shift = 1.0 if name.endswith("bn.weight") else 0.0
            state[name] = torch.randn(value.shape, generator=source) * 0.5 + shift
    return state | {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}


def test_inception_computes_what_torch_fidelity_does():
    network = read_feature_network("inception", _inception_state()).eval()
    source = torch.Generator().manual_seed(2)
    x = torch.randint(0, 256, (1, 3, 100, 256), dtype=torch.uint8, generator=source)
    with torch.inference_mode():
        found = network(x)[0].double()
    assert found.shape == (2048,)
    # What inception-v3-compat of torch-fidelity 0.4.0 gives for these weights and this image.
    wanted = [0.0, 0.011926, 1.235196, 0.006448, 0.0, 0.0, 0.340328, 3.013984]
    assert found[::256].tolist() == pytest.approx(wanted, rel=1e-4, abs=1e-5)
    assert float(found.sum()) == pytest.approx(1020.00812, rel=1e-5)


def test_enlarging_samples_where_tensorflow_does():
    x = torch.tensor([[[[0.0, 4.0]]]])
    assert enlarge_as_tensorflow(x, 4)[0, 0, 0].tolist() == [0.0, 2.0, 4.0, 4.0]


class Coordinates(torch.nn.Module):
    """The first two samples of an image, as features."""

    num_features = 2

    def forward(self, pictures):
        return pictures[:, 0, 0, :2].float()


def _planes(values):
    return torch.from_numpy(values)[:, None, None].expand(-1, 3, 1, -1).contiguous()


@pytest.fixture(scope="module")
def two_sets():
    rng = np.random.default_rng(0)
    a = np.clip(rng.normal((90, 110), (12, 20), (4000, 2)), 0, 255).astype(np.uint8)
    b = np.clip(rng.normal((100, 120), (6, 20), (4000, 2)), 0, 255).astype(np.uint8)
    return a, b


def test_the_frechet_distance_of_gaussians_is_its_formula(two_sets, caplog):
    a, b = two_sets
    distance = FeatureDistances(Coordinates())
    assert np.isnan(distance.frechet())
    assert np.isnan(distance.kernel().mean)
    for some in np.split(np.arange(4000), 4):
        distance.add(_planes(a[some]), _planes(b[some]))
    wanted = 10**2 + 10**2 + (12 - 6) ** 2
    assert distance.frechet() == pytest.approx(wanted, rel=0.05)
    assert not caplog.records
    few = FeatureDistances(torch.nn.Flatten())
    few.add(_planes(a[:5]), _planes(b[:5]))
    assert few.frechet() > 0
    assert "biased upwards" in caplog.text


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save:UserWarning")
def test_both_distances_are_those_of_torchmetrics(two_sets):
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    a, b = (_planes(v[:600]) for v in two_sets)
    ours = FeatureDistances(Coordinates())
    ours.add(a, b)
    theirs = [
        FrechetInceptionDistance(feature=Coordinates()),
        KernelInceptionDistance(feature=Coordinates(), subsets=1, subset_size=600),
    ]
    for metric in theirs:
        metric.update(a, real=True)
        metric.update(b, real=False)
    assert ours.frechet() == pytest.approx(float(theirs[0].compute()), rel=1e-4)
    assert ours.kernel().mean == pytest.approx(float(theirs[1].compute()[0]), rel=1e-4)


def test_the_kernel_distance_of_many_images_is_drawn_from_a_seed(two_sets):
    a, b = (_planes(v) for v in two_sets)
    distance = FeatureDistances(Coordinates())
    distance.add(a, b)
    found = distance.kernel()
    assert found == distance.kernel()
    assert found.low < found.mean < found.high
    same = FeatureDistances(Coordinates())
    same.add(a, a.flip(0))
    assert abs(same.kernel().mean) < 0.01 * found.mean


def test_curricularface_loads_by_the_names_of_its_file(tmp_path):
    with torch.device("meta"):
        shapes = CurricularFace().state_dict()
    rename = KINDS["curricular"].rename
    state = {rename(key): torch.zeros(value.shape) for key, value in shapes.items()}
    units = {int(k.split(".")[1]) for k in state if k.startswith("body.")}
    assert units == set(range(sum(CURRICULAR_UNITS))) == set(range(49))
    assert state["output_layer.3.weight"].shape == (512, 25088)
    assert not any("fc1" in key for key in state)  # IR, not IR-SE
    assert "output_layer.4.weight" not in state  # the last norm has no scale
    assert {"output_layer.4.running_var", "body.3.shortcut_layer.0.weight"} <= set(state)
    path = tmp_path / "CurricularFace_Backbone.pth"
    torch.save(state, path)
    assert isinstance(load_network(path), CurricularFace)


def test_similarity_is_one_for_equal_faces_only():
    torch.manual_seed(0)
    network = DlibResNet().eval().requires_grad_(False)
    a, b = torch.rand(2, 1, 3, 96, 96) * 2 - 1
    assert network(a).shape == (1, 128)
    assert float((network(a) * network(a)).sum()) == pytest.approx(1, abs=1e-5)
    assert float((network(a) * network(b)).sum()) < 0.9999


@pytest.mark.weights
@pytest.mark.skipif(not (SHARED / "weights").is_dir(), reason="no weights")
def test_dlib_embeds_faces_as_the_tool_of_reference():
    tool = load_module(SHARED / "tools" / "dlib_distance.py")
    faces = list(tool.read(SHARED / "data" / "faces" / "val.zip").values())[:3]
    network = load_network(SHARED / "weights" / "dlib_resnet.npz")
    x = torch.stack([torch.from_numpy(np.asarray(f).copy()) for f in faces]).permute(0, 3, 1, 2)
    wanted = F.normalize(torch.stack([tool.embed(f) for f in faces]))
    assert ((network(x.float() / 127.5 - 1) * wanted).sum(1) > 0.999).all()


def test_folders_of_weights_are_used(tmp_path):
    state = _inception_state()
    torch.save(state, tmp_path / KINDS["inception"].files[1])
    found = load_metrics(tmp_path)
    assert isinstance(found.sets["fid"], Inception)
    assert "fid" not in found.missing


class Published:
    """A published file, fetched from the disk in place of the network."""

    def __init__(self, folder, monkeypatch):
        self.path, self.said, self.kept = folder / "published.pth", [], folder / "hub"
        torch.save(_inception_state(), self.path)
        content = self.path.read_bytes()
        self.source = fetching.Source(
            "weights.pth", self.path.as_uri(), len(content), hashlib.sha256(content).hexdigest()
        )
        monkeypatch.setitem(fetching.SOURCES, "inception", self.source)
        monkeypatch.delitem(fetching.SOURCES, "alexnet")
        monkeypatch.setattr(torch.hub, "get_dir", lambda: str(self.kept))
        monkeypatch.setattr(features, "can_fetch", lambda: True)

    def say(self, text):
        self.said.append((text, (self.kept / "checkpoints" / "weights.pth").exists()))


@pytest.fixture
def published(tmp_path, monkeypatch):
    return Published(tmp_path, monkeypatch)


def test_what_is_fetched_gives_the_numbers_of_what_is_given(published, tmp_path):
    by_itself = load_metrics(None, fetch=published.say)
    assert [there for _, there in published.said] == [False]  # said before
    assert published.source.address in published.said[0][0]
    assert "lpips" in by_itself.missing
    load_metrics(None, fetch=published.say)
    assert len(published.said) == 1  # kept
    published.path.rename(tmp_path / KINDS["inception"].files[0])
    by_hand = load_metrics(tmp_path)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.inference_mode():
        found, wanted = (each.sets["fid"](images) for each in (by_itself, by_hand))
    assert torch.equal(found, wanted)


def test_nothing_else_than_what_was_published_is_kept(published):
    published.path.write_bytes(published.path.read_bytes()[:-1] + b"!")
    found = load_metrics(None, fetch=published.say)
    assert "its hash" in found.missing["fid"] and "fid" not in found.sets
    assert not list((published.kept / "checkpoints").iterdir())
    published.path.unlink()
    assert "cannot be fetched" in load_metrics(None, fetch=published.say).missing["fid"]


def test_nothing_is_fetched_unasked_or_without_the_extra(published, monkeypatch):
    assert "fid" in load_metrics(None).missing
    monkeypatch.setattr(features, "can_fetch", fetching.can_fetch)
    for name in fetching.PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)  # does not import
    assert not fetching.can_fetch()
    assert "fid" in load_metrics(None, fetch=published.say).missing
    assert not published.said


def test_the_pinned_files_are_those_that_kinds_know():
    for kind, source in fetching.SOURCES.items():
        assert source.name in KINDS[kind].files
        assert source.sha256.startswith(source.name.removesuffix(".pth").rpartition("-")[2])
        assert source.address.startswith("https://") and source.address.endswith(source.name)


@pytest.mark.weights
@pytest.mark.filterwarnings("ignore")  # of other people's packages
@needs_vectors
@pytest.mark.skipif(
    importlib.util.find_spec("lpips") is None or importlib.util.find_spec("torchvision") is None,
    reason="the extra metrics is not installed",
)
def test_lpips_of_the_package_and_ours_agree_on_the_vectors(tmp_path):
    if not fetching.can_fetch():
        pytest.skip("torchvision does not import here")
    package = importlib.import_module("lpips")
    state = filled("alexnet")
    theirs = package.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    names = [f"net.slice{level}.{number}" for level, number in enumerate((0, 3, 6, 8, 10), start=1)]
    own = theirs.state_dict()
    for name, number in zip(names, (0, 3, 6, 8, 10), strict=True):
        for leaf in ("weight", "bias"):
            own[f"{name}.{leaf}"].copy_(state[f"features.{number}.{leaf}"])
    torch.save(state, tmp_path / "alexnet.pth")
    a = pictures(expected())
    b = (0.9 * a.roll(7, 3) + 0.05).clamp(-1, 1)
    with torch.inference_mode():
        wanted = theirs(a, b).flatten()
        found = load_metrics(tmp_path).pairs["lpips"](a, b)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert torch.allclose(
        wanted, torch.from_numpy(expected()["lpips_per_image"]).float(), rtol=1e-3
    )
