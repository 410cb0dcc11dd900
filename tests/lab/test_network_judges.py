"""Networks in the table of the laboratory: splits, order of payloads, stegos that are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from deephide.errors import InputImageError
from deephide.lab import Condition, Experiment, Payload, Training, conditions_of, run
from deephide.lab.conditions import Scene, hide
from deephide.lab.covers import ImageSet, groups_of
from deephide.lab.journal import collect
from deephide.lab.network_judges import _ordered, _parts, judge_networks
from deephide.lab.neural.architectures import build
from deephide.lab.protocol import splits

SHORT = Training(steps=1, pairs=2, crop=32, device="cpu")


def _experiment(covers, folder, *payloads, **more):
    sizes = [Payload.parse(each) for each in payloads]
    return Experiment(covers, folder, tuple(conditions_of(("lsb",), sizes)), **more)


def test_a_network_stands_in_the_table(covers, tmp_path):
    experiment = _experiment(covers, tmp_path / "lab", "0.3")
    steps = []
    rows = run(
        experiment,
        detectors=("spa", "yedroudj"),
        plots=False,
        training=SHORT,
        progress=lambda *at: steps.append(at),
    )
    assert steps[-1] == (15, 15)
    assert steps == sorted(steps)
    fields = json.loads((experiment.folder / "results.json").read_text())["rows"]
    assert list(fields[1]["detectors"]) == ["spa", "yedroudj"]
    low, high = fields[1]["detectors"]["yedroudj"]["interval"]
    assert 0 <= low <= rows[1].verdicts["yedroudj"].errors[0] <= high <= 1
    assert len(fields[1]["detectors"]["yedroudj"]["chance"]) == 10
    assert len(fields[0]["detectors"]["yedroudj"]["errors"]) == 10
    table = (experiment.folder / "table.md").read_text().splitlines()
    assert "| spa | yedroudj | chance | trained |" in table[0]
    assert f"({low:.3f} to {high:.3f})" in table[3]
    assert len({line.count("|") for line in table}) == 1


def test_the_stegos_of_networks_are_those_of_the_features(covers, tmp_path):
    experiment = _experiment(covers, tmp_path / "lab", "0.3", stegos=True)
    names = ImageSet(covers).names
    collect(replace(experiment, stegos=False), names, 1, lambda *_: None)
    collect(experiment, names, 1, lambda *_: None)
    assert not any(experiment.missing(each, names[0]) for each in experiment.conditions)
    scene = Scene(names[3], ImageSet(covers), None, {}, "L")
    for condition in experiment.conditions:
        with Image.open(experiment.image(condition, names[3])) as image:
            assert (np.asarray(image) == hide(condition, scene, 1)[0][:, :, 0]).all()


def test_photos_are_split_as_for_the_others(covers):
    groups = groups_of(ImageSet(covers).names)
    learnt, checked, tested = _parts(groups, 5)
    assert (learnt | checked | tested).all()
    assert [len(np.unique(groups[each])) for each in (learnt, checked, tested)] == [2, 1, 3]
    assert (learnt.sum() + checked.sum() + tested.sum()) == groups.size
    assert (~tested == next(splits(groups, np.random.default_rng(5)))).all()


def test_too_few_photos_are_refused(tmp_path):
    with pytest.raises(InputImageError, match="at least 4 photos: got 3"):
        _parts(np.array([0, 0, 1, 2]), 1)


def test_the_highest_payload_comes_first_and_the_next_starts_from_it(covers, tmp_path):
    experiment = _experiment(covers, tmp_path / "lab", "0.1", "0.4", "250B", stegos=True)
    names = ImageSet(covers).names
    collect(experiment, names, 1, lambda *_: None)
    assert [str(each.payload) for each in _ordered(experiment, names)] == ["250B", "0.4", "0.1"]
    found = judge_networks(experiment, names, ("yedroudj",), SHORT, lambda *_: None)
    assert set(found["yedroudj"]) == set(experiment.conditions)
    folder = experiment.folder / "networks" / "yedroudj"
    first = json.loads(torch.load(folder / "lsb_250B.pt", weights_only=True)["settings"])
    second = json.loads(torch.load(folder / "lsb_0.4.pt", weights_only=True)["settings"])
    assert first["start"] != second["start"]
    assert (first["images"], second["images"]) == ([4, 2], [4, 2])


def test_weights_judge_without_training(covers, tmp_path):
    torch.save(build("yedroudj", 9).state_dict(), tmp_path / "w.pt")
    experiment = _experiment(covers, tmp_path / "lab", "0.3")
    weights = Training(steps=0, device="cpu", weights=tmp_path / "w.pt")
    rows = run(experiment, detectors=("yedroudj",), plots=False, training=weights)
    assert rows[1].verdicts["yedroudj"].covers.size == 6
    assert not (experiment.folder / "networks").exists()


def test_networks_see_no_colour(covers, tmp_path):
    experiment = _experiment(covers, tmp_path / "lab", "0.3", colour=True)
    with pytest.raises(ValueError, match="luma alone"):
        judge_networks(experiment, [], ("srnet",), SHORT, lambda *_: None)


def test_a_payload_that_fits_nowhere_is_named(tmp_path):
    folder = tmp_path / "covers"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((32, 32), 9, np.uint8)).save(folder / f"{number}.png")
    conditions = (Condition("cover"), Condition("embed", Payload.parse("900B")))
    experiment = Experiment(folder, tmp_path / "lab", conditions, stegos=True)
    names = ImageSet(folder).names
    collect(experiment, names, 1, lambda *_: None)
    with pytest.raises(InputImageError, match="embed_900B: too few covers"):
        judge_networks(experiment, names, ("yedroudj",), SHORT, lambda *_: None)
