"""Directions, mixing, interpolation, swapping: on codes of a tiny model."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

import e2style
from e2style.applications import animation, components, directions, mixing, svm, swapping
from e2style.applications.rows import parse_rows
from e2style.checkpoints import codes as code_files
from e2style.config import GeneratorConfig
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.images import from_tensor, side_by_side, to_tensor
from e2style.models.generator import Generator


@pytest.fixture
def model(generator):
    return e2style.load(generator)


def drawn(count, seed=0, rows=6):
    return np.random.default_rng(seed).normal(size=(count, rows, 512)).astype(np.float32)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("all", (0, 12)), ("7-", (7, 12)), ("7-11", (7, 12)), ("-3", (0, 4)), ("3", (3, 4))],
)
def test_rows_are_named(text, wanted):
    assert parse_rows(text, 12) == slice(*wanted)


@pytest.mark.parametrize("text", ["", "-", "7-17", "5-3", "12", "a", "1-2-3", "-12"])
def test_rows_that_are_not_there_are_refused(text):
    with pytest.raises(ConfigError, match="rows: got"):
        parse_rows(text, 12)


def test_codes_return_with_their_names_and_to_their_model_only(model, tmp_path):
    path = tmp_path / "c.safetensors"
    codes = code_files.Codes.of(model, drawn(2), "a", "b")
    path.write_bytes(codes.to_bytes())
    found = code_files.load_codes(path, model)
    assert np.array_equal(found.values, codes.values)
    assert found.names == ("a", "b")
    with torch.no_grad():
        model.network.generator.const += 1
    other = type(model)(model.network, fingerprint=bytes(32))
    with pytest.raises(CheckpointError, match=r"c\.safetensors: made with model tiny"):
        code_files.load_codes(path, other)


@pytest.mark.parametrize(
    ("values", "names", "message"),
    [
        (drawn(1, rows=5), ("a",), "of shape"),
        (drawn(0), (), "of shape"),
        (drawn(1) * np.nan, ("a",), "no numbers"),
        (drawn(2), ("a",), "without as many names"),
    ],
)
def test_damaged_codes_are_refused(values, names, message, model, tmp_path):
    path = tmp_path / "c.safetensors"
    path.write_bytes(code_files.Codes.of(model, values, *names).to_bytes())
    with pytest.raises(CheckpointError, match=message):
        code_files.load_codes(path, model)


def test_other_files_are_no_codes(model, generator, tmp_path):
    with pytest.raises(CheckpointError, match="not a file of codes"):
        code_files.load_codes(generator, model)
    with pytest.raises(CheckpointError, match="codes none"):
        code_files.load_codes(tmp_path / "none.safetensors", model)


def hinge(w, b, x, y, limits):
    return w @ w / 2 + b * b / 2 + (limits * np.maximum(0, 1 - y * (x @ w + b))).sum()


def test_the_machine_finds_the_minimum_that_gradient_descent_finds():
    rng = np.random.default_rng(1)
    positive, negative = rng.normal(0.4, 1, (30, 3)), rng.normal(-0.4, 1, (12, 3))
    unit = svm.normal(positive, negative, tolerance=1e-9, rounds=20000)
    x = np.concatenate([positive, negative]) - (positive.mean(0) + negative.mean(0)) / 2
    x /= np.sqrt(np.square(x).sum(1).mean())
    y = np.repeat([1.0, -1.0], [30, 12])
    limits = np.repeat([42 / 60, 42 / 24], [30, 12])
    w, b, best, rate = np.zeros(3), 0.0, None, 0.05
    for step in range(20000):
        inside = y * (x @ w + b) < 1
        slope = limits * inside * y
        w -= rate * (w - slope @ x) / np.sqrt(step + 1)
        b -= rate * (b - slope.sum()) / np.sqrt(step + 1)
        loss = hinge(w, b, x, y, limits)
        if best is None or loss < best[0]:
            best = loss, w / np.linalg.norm(w)
    assert unit @ best[1] > 0.9999
    assert np.linalg.norm(unit) == pytest.approx(1)


@pytest.mark.parametrize("method", directions.METHODS)
def test_a_planted_direction_is_found(method, model):
    rng = np.random.default_rng(2)
    planted = rng.normal(size=(6, 512))
    planted /= np.linalg.norm(planted)
    shift = 20 * planted.astype(np.float32)
    found = directions.learn(
        "x", model, drawn(40) + shift, drawn(40, 1) - shift, method=method, rows="all"
    )
    cosine = (found.vector * planted).sum() / np.linalg.norm(found.vector)
    assert cosine > 0.9
    both = np.concatenate([drawn(40) + shift, drawn(40, 1) - shift])
    spread = (both * found.vector).sum((1, 2)).std() / np.square(found.vector).sum()
    assert spread == pytest.approx(1, rel=1e-3)  # one standard deviation long


def test_directions_are_saved_for_their_model(model, tmp_path):
    path = tmp_path / "smile.safetensors"
    made = directions.learn("smile", model, drawn(5) + 1, drawn(5, 1), rows="2-4")
    assert not made.vector[[0, 1, 5]].any()
    path.write_bytes(made.to_bytes())
    found = directions.load_direction(path, model)
    assert np.array_equal(found.vector, made.vector)
    assert (found.name, found.rows, found.note) == (made.name, "2-4", made.note)
    other = type(model)(model.network, fingerprint=bytes(32))
    with pytest.raises(CheckpointError, match="made with model tiny"):
        directions.load_direction(path, other)
    with pytest.raises(CheckpointError, match="shipped with tiny are none"):
        directions.load_direction("grin", model)
    path.write_bytes(code_files.Codes.of(model, drawn(1), "a").to_bytes())
    with pytest.raises(CheckpointError, match="not a direction"):
        directions.load_direction(path, model)


@pytest.mark.parametrize("shape", [(6, 512), (1, 6, 512), (512,)])
def test_official_files_are_read(shape, model, tmp_path):
    values = np.random.default_rng(0).normal(size=shape)
    np.save(tmp_path / "age.npy", values)
    found = directions.load_direction(tmp_path / "age.npy", model)
    assert found.vector == pytest.approx(np.broadcast_to(values.squeeze(), (6, 512)), rel=1e-6)
    np.save(tmp_path / "age.npy", values[..., :-1])
    with pytest.raises(CheckpointError, match="needs an array of shape"):
        directions.load_direction(tmp_path / "age.npy", model)


def test_a_direction_moves_its_rows_alone(model):
    direction = directions.Direction("x", np.ones((6, 512), np.float32), rows="1-2")
    codes = drawn(3)
    moved = directions.apply(codes, direction, -2.0)
    assert np.array_equal(moved[:, 1:3], codes[:, 1:3] - 2)
    assert np.array_equal(moved[:, 3:], codes[:, 3:])
    assert np.array_equal(directions.apply(codes, direction, 1.0, "5")[:, :5], codes[:, :5])


def test_orthogonal_directions_leave_the_others_alone(model):
    a, b, c = (directions.Direction(n, v) for n, v in zip("abc", drawn(3), strict=True))
    left = directions.orthogonal(a, [b, c])
    for other in (b, c):
        assert abs((left.vector * other.vector).sum()) < 1e-2
    assert directions.orthogonal(a, []).vector is not None
    with pytest.raises(DataError, match="nothing is left"):
        directions.orthogonal(a, [a, b])


def test_sets_that_cannot_be_told_apart_are_refused(model):
    same = drawn(1).repeat(3, 0)
    for method in directions.METHODS:
        with pytest.raises(DataError):
            directions.learn("x", model, same, same, method=method)
        with pytest.raises(DataError, match="empty"):
            directions.learn("x", model, same, same[:0], method=method)
    with pytest.raises(ConfigError, match="method: got"):
        directions.learn("x", model, same, same, method="magic")


def test_the_closed_form_finds_what_the_generator_amplifies(model):
    weights = components.modulations(model.network.generator)
    assert [len(row) for row in weights] == [1, 2, 1, 2, 1, 1]  # rows 1 and 3: image and layer
    planted = np.zeros(512)
    planted[7] = 1
    with torch.no_grad():
        for row in weights:
            for weight in row:
                weight[:, 7] += 100
    found = directions.amplified(model, "1-3", 2)
    units = [d.vector / np.linalg.norm(d.vector[1]) for d in found]
    assert np.abs(units[0][1]) @ planted > 0.99
    assert not found[0].vector[[0, 4, 5]].any()
    assert units[0][2] @ units[1][2] == pytest.approx(0, abs=1e-6)
    with pytest.raises(ConfigError, match="components: got 513"):
        directions.amplified(model, "all", 513)


def test_rows_of_a_linear_base_drive_no_modulation():
    config = GeneratorConfig(
        size=32, mapping_layers=0, channel_base=512, channel_max=16, base_side=8, base_rows=2
    )
    rows = components.modulations(Generator(config))
    assert [len(row) for row in rows] == [0, 0, 0, 1, 1, 2, 1, 1]
    with pytest.raises(ConfigError, match="rows 0 to 2 drive no modulation"):
        components.sefa(Generator(config), slice(0, 3), 1)


def test_principal_components_are_as_long_as_codes_spread(model):
    codes = drawn(60) * 0.01
    codes[:, 2, 5] += np.linspace(-3, 3, 60, dtype=np.float32)
    first = directions.varied(model, codes, "all", 1)[0]
    assert first.vector[2, 5] == pytest.approx(codes[:, 2, 5].std(ddof=1), rel=0.01)
    with pytest.raises(ConfigError, match="allowed 1 to 59"):
        directions.varied(model, codes, "all", 60)


def test_mixing_takes_the_rows_of_the_style():
    a, b = drawn(2)
    mixed = mixing.mix(a, b, slice(4, 6))
    assert np.array_equal(mixed[:4], a[:4])
    assert np.array_equal(mixed[4:], b[4:])
    assert mixing.mix(a, b, slice(0, 6), 0.5) == pytest.approx((a + b) / 2, abs=1e-6)
    assert [parse_rows(rows, 18).start for rows in mixing.MIX_PRESETS.values()] == [7, 10]


def test_mixing_at_strength_one_copies_bits():
    content, style = np.float32([[[1e8, -0.0, 3.0, 7.0]]]), np.float32([[[1.0, 2.0, 1e-38, -0.0]]])
    assert not np.array_equal(content + (style - content), style)  # what a blend would give
    mixed = mixing.mix(content, style, slice(0, 1))
    assert mixed.tobytes() == style.tobytes()
    assert mixing.mix(content, style, slice(0, 1), 0).tobytes() == content.tobytes()


def test_interpolation_has_both_ends():
    a, b = drawn(2)
    between = mixing.interpolate(a, b)
    assert len(between) == 7
    assert np.array_equal(between[0], a) and np.array_equal(between[-1], b)
    assert between[3] == pytest.approx((a + b) / 2, abs=1e-6)
    with pytest.raises(ConfigError, match="frames: got 1"):
        mixing.interpolate(a, b, 1)


def test_only_the_box_or_the_mask_comes_from_the_source():
    red, blue = (Image.new("RGB", (40, 40), c) for c in ((255, 0, 0), (0, 0, 255)))
    swapped = np.asarray(swapping.transplant(red, blue, swapping.BOXES["center"]))
    assert (swapped[10:30, 10:30] == [255, 0, 0]).all()
    assert (swapped[:, :10] == [0, 0, 255]).all() and (swapped[30:] == [0, 0, 255]).all()
    mask = Image.new("RGB", (20, 20))
    mask.paste((255, 255, 255), (10, 0, 20, 20))
    halves = np.asarray(swapping.transplant(red.resize((9, 9)), blue, mask=mask))
    assert (halves[:, 23:] == [255, 0, 0]).all() and (halves[:, :17] == [0, 0, 255]).all()
    for box in ((0.5, 0, 0.5, 1), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)):
        with pytest.raises(ConfigError, match="box: got"):
            swapping.transplant(red, blue, box)


def test_pictures_go_to_tensors_and_back():
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in "ab"]
    x = to_tensor(pictures, 8)
    assert x.shape == (2, 3, 8, 8) and -1 <= x.min() < x.max() <= 1
    assert [p.tobytes() for p in from_tensor(x)] == [p.tobytes() for p in pictures]
    gray = to_tensor([pictures[0].convert("L")], 4)
    assert gray.shape == (1, 1, 4, 4) and 0 <= gray.min() <= gray.max() <= 1
    assert side_by_side(pictures).tobytes() != side_by_side(pictures[::-1]).tobytes()


def test_frames_become_a_strip_a_gif_or_a_film():
    frames = [Image.new("RGB", (17, 16), (60 * k, 0, 0)) for k in range(4)]
    strip = Image.open(io.BytesIO(animation.encode(frames, ".png")))
    assert strip.size == (68, 16)
    moving = Image.open(io.BytesIO(animation.encode(frames, ".gif", 10)))
    assert moving.n_frames == 6 and moving.info["duration"] == 100
    with pytest.raises(ConfigError, match="kind: got"):
        animation.encode(frames, ".avi")
    try:
        import imageio_ffmpeg  # noqa: F401
    except ImportError:
        with pytest.raises(ConfigError, match=r"deephide\[video\]"):
            animation.encode(frames, ".mp4")
    else:
        assert animation.encode(frames, ".mp4")[4:8] == b"ftyp"
