import dataclasses
import io
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image

from e2style.config import TrainConfig
from e2style.data.archive import Archive, decode
from e2style.data.corruptions import (
    calmed,
    coarse,
    corrupt,
    cut,
    filled,
    gray,
    noisy,
    shapes,
    triangle,
)
from e2style.data.pairs import PairSet, ReadAhead
from e2style.errors import ConfigError, DataError

SIDE = 16


def _png(array, mode=None):
    data = io.BytesIO()
    picture = Image.fromarray(array)
    if mode:
        picture = picture.convert(mode)
    picture.save(data, "PNG")
    return data.getvalue()


def _folder(path, pictures):
    path.mkdir(parents=True)
    for name, data in pictures.items():
        (path / name).write_bytes(data)
    return str(path)


def _faces(path, count=6, side=32, seed=0):
    rng = np.random.default_rng(seed)
    return _folder(
        path,
        {
            f"{k}.png": _png(rng.integers(0, 256, (side, side, 3), dtype=np.uint8))
            for k in range(count)
        },
    )


def _config(tiny, task="inversion", **changes):
    channels = {"sketch": 1, "segmentation": 5}.get(task, 3)
    encoder = dataclasses.replace(tiny.encoder, in_channels=channels)
    model = dataclasses.replace(tiny, encoder=encoder)
    return TrainConfig(model=model, stage=1, task=task, balance=False, labels=5, **changes)


def test_gray_weighs_red_green_blue():
    picture = np.zeros((1, 3, 3), np.uint8)
    picture[0, 0, 0] = picture[0, 1, 1] = picture[0, 2, 2] = 255
    luma = gray(picture)
    assert luma[0, :, 0].tolist() == [76, 150, 29]  # .299, .587 and .114 of 255
    assert (luma == luma[:, :, :1]).all()


def test_noise_has_the_stated_strength():
    flat = np.full((64, 64, 3), 128, np.uint8)
    shares, deviations = [], []
    for seed in range(40):
        found = noisy(flat, np.random.default_rng(seed)).astype(float)
        extreme = np.isin(found, (0, 255)).mean()
        if set(np.unique(found)) <= {0.0, 128.0, 255.0}:
            shares.append(extreme)
        else:
            deviations.append(found.std())
    assert 10 < len(shares) < 30
    assert np.mean(shares) == pytest.approx(0.05, abs=0.003)
    assert np.mean(deviations) == pytest.approx(25.5, abs=0.3)


def test_masks_are_one_of_four_triangles():
    masks = {triangle(256, np.random.default_rng(s)).tobytes() for s in range(60)}
    assert len(masks) == 4
    for mask in masks:
        assert np.frombuffer(mask, bool).mean() == pytest.approx(0.2157, abs=0.004)


def test_free_holes_differ_and_leave_most_of_the_picture():
    masks = [shapes(64, np.random.default_rng(seed)) for seed in range(60)]
    assert len({mask.tobytes() for mask in masks}) == 60
    assert all(0 < mask.mean() < 0.65 for mask in masks)
    assert 0.05 < np.mean(masks) < 0.25


def test_holes_are_filled_from_their_surroundings_alone():
    ramp = np.repeat(np.linspace(40, 200, 64).astype(np.uint8)[None, :, None], 64, axis=0)
    picture = np.repeat(ramp, 3, axis=2)
    holes = np.zeros((64, 64), bool)
    holes[20:40, 16:48] = True
    found = filled(cut(picture, holes), holes)
    assert np.array_equal(found[~holes], picture[~holes])
    assert np.array_equal(found, filled(picture, holes))
    # The hole goes on with the ramp: much nearer than black or the mean of the image.
    assert np.abs(found[holes].astype(int) - picture[holes]).mean() < 15
    assert filled(picture, np.ones((64, 64), bool)).max() == 0


@pytest.mark.parametrize("side", [1, 3, 96, 100])
def test_pictures_of_any_side_are_filled(side):
    picture = np.full((side, side, 3), 90, np.uint8)
    holes = np.zeros((side, side), bool)
    holes[: side // 2] = True
    found = filled(cut(picture, holes), holes)
    assert np.abs(found.astype(int) - picture).max() <= 1


def test_a_median_takes_away_salt_and_pepper():
    flat = np.full((64, 64, 3), 128, np.uint8)
    found = [noisy(flat, np.random.default_rng(seed)) for seed in range(10)]
    for damaged in found:
        after = calmed(damaged).astype(float)
        assert after.std() < 0.5 * damaged.astype(float).std()


def test_restoration_draws_every_damage_and_softens_it_where_asked():
    picture = np.random.default_rng(0).integers(1, 256, (32, 32, 3), dtype=np.uint8)
    wanted = {"gray": gray(picture).tobytes(), "coarse": coarse(picture, 4).tobytes()}
    hits = dict.fromkeys([*wanted, "holes"], 0)
    for seed in range(80):
        found = corrupt(picture, "restoration", np.random.default_rng(seed), (4,))
        for name, bytes_ in wanted.items():
            hits[name] += found.tobytes() == bytes_
        # Neither noise nor holes are soft: both make black samples, holes only them.
        hits["holes"] += bool((found == 0).any() and ((found == 0) | (found == picture)).all())
        soft = corrupt(picture, "restoration", np.random.default_rng(seed), (4,), soften=True)
        same = found.tobytes() in wanted.values()
        assert np.array_equal(soft, found) == same
    assert all(8 < count < 32 for count in hits.values())


def test_coarse_pictures_keep_their_mean_and_lose_detail():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert coarse(picture, 1) is picture
    for factor in (2, 4, 8, 16):
        found = coarse(picture, factor).astype(float)
        assert found.shape == picture.shape
        assert found.mean() == pytest.approx(picture.mean(), abs=3)
        assert found.std() < 0.6 * picture.std()


def test_factors_are_drawn_from_the_list():
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    wanted = {coarse(picture, f).tobytes() for f in (1, 2, 4)}
    found = {
        corrupt(picture, "super_resolution", np.random.default_rng(s), (1, 2, 4)).tobytes()
        for s in range(30)
    }
    assert found == wanted


@pytest.mark.parametrize("mode", [None, "P"])
def test_labels_are_never_mixed(mode):
    labels = np.array([[0, 4], [4, 0]], np.uint8).repeat(20, 0).repeat(20, 1)
    data = io.BytesIO()
    picture = Image.fromarray(labels)
    if mode:  # as an image editor stores class numbers: a palette image
        palette = Image.new("P", picture.size)
        palette.putpalette([7 * k % 256 for k in range(768)])
        palette.putdata(list(labels.reshape(-1)))
        picture = palette
    picture.save(data, "PNG")
    found = decode(data.getvalue(), 15, "labels")
    assert found.shape == (15, 15)
    assert set(np.unique(found)) == {0, 4}


def test_pairs_are_matched_by_name_and_flipped_together(tiny, tmp_path, caplog):
    rng = np.random.default_rng(1)
    targets, sources = {}, {}
    for k in range(6):
        half = rng.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)
        targets[f"{k}.png"] = _png(np.repeat(half[:, :, None], 3, 2))
        sources[f"{k}.bmp" if k % 2 else f"{k}.png"] = _png(half)
    sources.pop("4.png")
    config = _config(tiny, "sketch")
    pairs = PairSet(config, _folder(tmp_path / "t", targets), _folder(tmp_path / "s", sources))
    assert len(pairs) == 5
    assert "4.png" in caplog.text
    source, target = pairs.tensors([pairs.sample(place) for place in range(20)])
    assert source.shape == (20, 1, SIDE, SIDE)
    torch.testing.assert_close(source * 2 - 1, target[:, :1])
    assert len({row.numpy().tobytes() for row in source}) > 5  # some are mirrored


def test_label_maps_become_planes(tiny, tmp_path):
    faces = _faces(tmp_path / "t", count=3)
    labels = {f"{k}.png": _png(np.full((32, 32), k, np.uint8).repeat(1, 0)) for k in range(3)}
    pairs = PairSet(_config(tiny, "segmentation"), faces, _folder(tmp_path / "s", labels))
    source, _ = pairs.tensors([pairs.sample(k) for k in range(3)])
    assert source.shape == (3, 5, SIDE, SIDE)
    assert (source.sum(1) == 1).all()
    seen = {int(row.argmax(0).unique().item()) for row in source}
    assert seen == {0, 1, 2}


def test_a_label_out_of_range_is_bad_data(tiny, tmp_path, caplog):
    faces = _faces(tmp_path / "t", count=3)
    labels = {f"{k}.png": _png(np.full((8, 8), 5 * k, np.uint8)) for k in range(3)}
    pairs = PairSet(_config(tiny, "segmentation"), faces, _folder(tmp_path / "s", labels))
    for place in range(3):
        pairs.sample(place)
    assert set(pairs.bad) == {"1.png", "2.png"}
    assert "label 10, allowed are 0 to 4" in caplog.text


def test_one_damaged_picture_is_named_once_and_replaced(tiny, faces_zip, caplog):
    pairs = PairSet(_config(tiny, flip=False), str(faces_zip))
    found = [pairs.sample(place)[1].tobytes() for place in range(36)]
    assert list(pairs.bad) == ["f07.png"]
    assert caplog.text.count("f07.png") == 1
    assert len(set(found)) == 11
    assert found == [
        PairSet(_config(tiny, flip=False), str(faces_zip)).sample(p)[1].tobytes() for p in range(36)
    ]


def test_data_without_a_readable_picture_is_refused(tiny, tmp_path):
    bad = _folder(tmp_path / "bad", {f"{k}.png": b"no picture" for k in range(3)})
    with pytest.raises(DataError, match="cannot be read"):
        PairSet(_config(tiny), bad).sample(0)
    with pytest.raises(DataError, match="holds no image"):
        Archive(_folder(tmp_path / "empty", {"note.txt": b"no picture"}))
    (tmp_path / "x.zip").write_bytes(b"no zip")
    with pytest.raises(DataError, match="neither"):
        Archive(tmp_path / "x.zip")
    with pytest.raises(DataError, match="needs a folder"):
        PairSet(_config(tiny, "sketch"), bad)
    with pytest.raises(DataError, match="no name matches"):
        PairSet(_config(tiny, "sketch"), bad, _folder(tmp_path / "o", {"other.png": b""}))


def test_every_epoch_shows_every_picture_once(tiny, tmp_path):
    pairs = PairSet(_config(tiny), _faces(tmp_path / "t"))
    epochs = [[pairs.index(e * 6 + k) for k in range(6)] for e in range(4)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_balanced_groups_are_drawn_by_the_root_of_their_size(tiny, tmp_path):
    for group, count in (("a", 1), ("b", 16)):
        _faces(tmp_path / "t" / group, count=count, side=8)
    config = dataclasses.replace(_config(tiny), balance=True)
    pairs = PairSet(config, str(tmp_path / "t"))
    names = [pairs.names[pairs.index(p)] for p in range(17 * 200)]
    share = sum(name.startswith("a/") for name in names) / len(names)
    assert share == pytest.approx(0.2, abs=0.03)  # 1 to 4


@pytest.mark.parametrize("task", ["inversion", "denoising", "inpainting", "super_resolution"])
def test_validation_pairs_are_the_same_every_time(tiny, tmp_path, task):
    config = _config(tiny, task, seed=1)
    faces = _faces(tmp_path / "t")
    first = PairSet(config, faces, training=False)
    again = PairSet(dataclasses.replace(config, seed=2), faces, training=False)
    for place in range(6):
        a, b = first.sample(place), again.sample(place)
        assert a[0].tobytes() == b[0].tobytes()
        wanted = decode((tmp_path / "t" / f"{place}.png").read_bytes(), SIDE)
        assert a[1].tobytes() == b[1].tobytes() == wanted.tobytes()  # in order, not mirrored


def test_reading_ahead_changes_nothing(tiny, faces_zip):
    config = _config(tiny, "denoising")
    runs = []
    for workers in (0, 3):
        pairs = PairSet(config, str(faces_zip))
        ahead = ReadAhead(pairs.sample, workers)
        found = []
        for start in range(0, 32, 4):
            places = range(start, start + 4)
            found += ahead.get(places, range(start + 4, start + 8))
        runs.append([source.tobytes() + target.tobytes() for source, target in found])
        ahead.close()
        pairs.close()
    assert runs[0] == runs[1]


def test_zip_and_folder_hold_the_same(tiny, tmp_path, faces_zip):
    with zipfile.ZipFile(faces_zip) as archive:
        archive.extractall(tmp_path / "folder")
    a, b = Archive(faces_zip), Archive(tmp_path / "folder")
    assert a.names == b.names
    assert all(a.read(n) == b.read(n) for n in a.names)


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "sketch"},  # three channels
        {"stage": 0, "task": "denoising"},
        {"stage": 2},
        {"factors": ()},
        {"accumulate": 3},
        {"task": "painting"},
        {"optimizer": "sgd"},
        {"clip": -1.0},
    ],
)
def test_contradictory_settings_are_refused(tiny, changes):
    with pytest.raises(ConfigError):
        TrainConfig(**{"model": tiny, "stage": 1, "batch": 4} | changes)


@pytest.mark.parametrize("mode", ["RGB", "labels"])
def test_images_that_are_not_square_are_fitted_as_asked(mode):
    """StyleGAN2 has cars of 512 x 384 between black bars; they were squashed."""
    picture = np.zeros((6, 8, 3), np.uint8) + 7
    picture[:, :2] = 3
    image = Image.fromarray(picture if mode == "RGB" else picture[..., 0])
    file = io.BytesIO()
    image.save(file, "PNG")

    def fitted(side, fit):
        found = decode(file.getvalue(), side, mode, fit=fit)
        return found[..., 0] if mode == "RGB" else found

    bars = fitted(8, "letterbox")
    assert not bars[0].any() and not bars[7].any()
    assert (bars[1:7] == picture[..., 0]).all()
    assert (fitted(6, "crop") == picture[:, 1:7, 0]).all()
    assert (fitted(8, "stretch")[:, 4:] == 7).all()
