import json
import sys

import numpy as np
import pytest
from files import files_in
from PIL import Image

from deephide.errors import DeephideError, InputImageError, OutputError
from deephide.lab import Condition, Experiment, Payload, conditions_of, deep_hiding, run
from deephide.lab.covers import ImageSet, groups_of
from deephide.lab.journal import COLUMNS, collect, load

PAYLOAD = Payload.parse("0.3")


@pytest.fixture
def experiment(covers, tmp_path):
    conditions = tuple(conditions_of(("lsb", "hill-bound"), (PAYLOAD,)))
    return Experiment(covers, tmp_path / "lab", conditions)


def _kept(experiment):
    return {
        path.relative_to(experiment.folder): path.read_bytes()
        for path in files_in(experiment.folder, "**/*.npy")
    }


def _collect(experiment, jobs=1, cluster=False):
    seen = []
    names = ImageSet(experiment.covers).names
    collect(
        experiment, names, jobs, lambda done, total: seen.append((done, total)), cluster=cluster
    )
    return seen


def test_a_stopped_run_goes_on_where_it_was(experiment):
    assert _collect(experiment) == [(done, 12) for done in range(13)]
    first = _kept(experiment)
    assert len(first) == 36
    gone = list(first)[:5]
    for path in gone:
        (experiment.folder / path).unlink()
    left = len({path.name for path in gone})
    assert _collect(experiment)[0] == (12 - left, 12)
    assert _kept(experiment) == first


def test_processes_give_the_same_features(experiment, tmp_path):
    _collect(experiment)
    again = Experiment(experiment.covers, tmp_path / "again", experiment.conditions)
    _collect(again, jobs=2)
    assert _kept(again) == _kept(experiment)


@pytest.mark.filterwarnings("default")  # of Ray's own
def test_a_cluster_gives_the_same_features(experiment, tmp_path):
    pytest.importorskip("ray", reason="needs the extra cluster")
    _collect(experiment)
    again = Experiment(experiment.covers, tmp_path / "again", experiment.conditions)
    assert _collect(again, cluster=True) == [(done, 12) for done in range(13)]
    assert _kept(again) == _kept(experiment)


def test_without_ray_it_is_said_what_to_install(experiment, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DeephideError, match="a cluster needs Ray") as caught:
        _collect(experiment, cluster=True)
    assert "deephide[cluster]" in caught.value.hint


def test_another_experiment_does_not_mix(experiment):
    _collect(experiment)
    other = Experiment(experiment.covers, experiment.folder, experiment.conditions, seed=2)
    with pytest.raises(OutputError, match="seed"):
        _collect(other)


def test_facts_are_kept_with_the_features(experiment):
    _collect(experiment)
    names = ImageSet(experiment.covers).names
    kept = load(experiment, Condition("lsb", PAYLOAD), names)
    assert kept.shape == (12, COLUMNS["rich"].stop)
    assert (kept[:, COLUMNS["samples"]] == 4096).all()
    assert (kept[:, COLUMNS["bits"]] == 1228).all()
    rates = kept[:, COLUMNS["change_rate"]]
    assert np.allclose(rates, kept[:, COLUMNS["squared_error"]])
    assert abs(rates.mean() - 0.15) < 0.01


def test_colour_uses_every_channel(experiment, tmp_path):
    colour = Experiment(experiment.covers, tmp_path / "colour", experiment.conditions, colour=True)
    _collect(colour)
    kept = load(colour, Condition("lsb", PAYLOAD), ImageSet(colour.covers).names)
    assert (kept[:, COLUMNS["samples"]] == 3 * 4096).all()


def test_a_cover_that_cannot_take_the_payload_is_left_out(tmp_path):
    folder = tmp_path / "covers"
    folder.mkdir()
    rng = np.random.default_rng(1)
    for number in range(8):
        Image.fromarray(rng.integers(100, 120, (64, 64), dtype=np.uint8)).save(
            folder / f"{number}.png"
        )
    Image.fromarray(np.full((8, 8), 9, np.uint8)).save(folder / "tiny.png")
    conditions = tuple(conditions_of(("embed",), (Payload.parse("30B"),)))
    experiment = Experiment(folder, tmp_path / "lab", conditions)
    rows = run(experiment, detectors=("ws",), plots=False)
    assert [(row.covers, row.skipped) for row in rows] == [(9, 0), (8, 1)]
    assert rows[1].bits > 240
    assert rows[1].verdicts["ws"].covers.size == 8


def test_a_run_writes_its_results(experiment):
    steps = []
    rows = run(
        experiment, detectors=("spa", "spam"), limit=10, progress=lambda *step: steps.append(step)
    )
    assert steps[-1] == (13, 13)
    assert [row.covers for row in rows] == [10, 10, 10]
    fields = json.loads((experiment.folder / "results.json").read_text())
    assert [row["scheme"] for row in fields["rows"]] == ["cover", "lsb", "hill-bound"]
    detectors = fields["rows"][1]["detectors"]
    assert detectors["spa"]["p_e"] < 0.2 < fields["rows"][2]["detectors"]["spa"]["p_e"]
    assert len(detectors["spam"]["errors"]) == len(detectors["spam"]["chance"]) == 10
    table = (experiment.folder / "table.md").read_text().splitlines()
    assert len({line.count("|") for line in table}) == 1
    report = (experiment.folder / "report.html").read_text(encoding="utf-8")
    assert report.count("data:image/png;base64,") == 2 and "<script" not in report
    assert (
        report.count("<tr>") == len(fields["rows"]) + 1 and "0.5 is what guessing gives" in report
    )
    for row in fields["rows"][1:]:
        best = min(found["p_e"] for found in row["detectors"].values())
        assert f"is wrong in {best:.2f} of cases" in report
    for name in ("errors.png", "roc.png"):
        with Image.open(experiment.folder / name) as picture:
            assert min(picture.size) > 300


def test_parts_of_a_photo_are_one_group():
    names = ["a/0.png", "b/0.png", "a/1.png", "alone.png", "other.png"]
    assert groups_of(names).tolist() == [0, 1, 0, 2, 3]


def test_a_broken_picture_is_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InputImageError, match=r"broken\.png"):
        ImageSet(tmp_path).read("broken.png")


@pytest.mark.parametrize("kind", deep_hiding.KINDS)
def test_networks_hide_their_picture_in_every_cover(kind, experiment, tmp_path):
    path = tmp_path / f"{kind}.npz"
    pictures = [np.full((96, 96, 3), level, np.uint8) for level in (60, 190)]
    deep_hiding.save(deep_hiding.train(kind, pictures, 2), path)
    with_networks = Experiment(
        experiment.covers, tmp_path / "lab", (Condition("cover"), Condition(kind)),
        networks={kind: path},
    )  # fmt: skip
    _collect(with_networks)
    kept = load(with_networks, Condition(kind), ImageSet(experiment.covers).names)
    assert (kept[:, COLUMNS["bits"]] == 8 * 3 * 4096).all()
    assert (kept[:, COLUMNS["change_rate"]] > 0.1).all()
