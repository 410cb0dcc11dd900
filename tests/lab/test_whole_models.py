"""Rich models whole: those of sealwatch, in the laboratory's table."""

import numpy as np
import pytest
from PIL import Image

from deephide.errors import MissingExtraError
from deephide.lab import Experiment, Payload, conditions_of, run, whole_models
from deephide.lab.covers import ImageSet, groups_of
from deephide.lab.protocol import judge_features
from deephide.lab.whole_models import SIZES, whole_model


@pytest.fixture
def experiment(covers, tmp_path):
    conditions = conditions_of(("lsb-matching",), [Payload.parse("0.9")])
    return Experiment(covers, tmp_path / "lab", tuple(conditions))


@pytest.mark.filterwarnings("default")  # of sealwatch and what it imports
@pytest.mark.parametrize("name", SIZES)
def test_features_are_those_of_sealwatch(name):
    srm = pytest.importorskip("sealwatch.srm", reason="needs the extra judges")
    samples = np.random.default_rng(1).integers(90, 110, (40, 48, 3), dtype=np.uint8)
    found = whole_model(name, samples)
    assert found.shape == (SIZES[name],)
    if name == "srm":
        gray = whole_model(name, samples[:, :, :1])
        theirs = srm.extract(samples[:, :, 0])
        assert np.array_equal(gray, np.concatenate([np.ravel(each) for each in theirs.values()]))
    else:
        from sealwatch.srm import crm

        theirs = [np.ravel(each) for each in crm.extract(samples, Tc=3).values()]
        assert np.array_equal(found[-5404:], np.concatenate(theirs))


def _noise(name, samples):
    """Stands for a model: how often neighbours differ by so much, and the mean of all."""
    steps = np.abs(np.diff(samples.astype(int), axis=1)).ravel()
    return np.append(np.bincount(steps, minlength=256) / steps.size, samples.mean())


@pytest.fixture
def stand_in(monkeypatch):
    """The laboratory's part without sealwatch."""
    monkeypatch.setattr(whole_models, "check_models", lambda: None)
    monkeypatch.setattr("deephide.lab.experiment.check_models", lambda: None)
    monkeypatch.setattr(whole_models, "whole_model", _noise)


def test_models_stand_in_the_table_and_are_kept(experiment, stand_in, monkeypatch):
    steps = []
    rows = run(experiment, detectors=("srm",), plots=False, progress=lambda *at: steps.append(at))
    assert steps[-1] == (26, 26)
    names = ImageSet(experiment.covers).names
    sides = []
    for condition in experiment.conditions:
        images = [np.asarray(Image.open(experiment.image(condition, n))) for n in names]
        sides.append(np.stack([_noise("srm", each).astype(np.float32) for each in images]))
    expected = judge_features(*np.float64(sides), groups_of(names), 1, 600)
    assert rows[1].verdicts["srm"].errors == expected.errors
    assert rows[1].verdicts["srm"].chance == expected.chance
    assert rows[0].verdicts["srm"].chance == ()
    first = [row.verdicts["srm"].errors for row in rows]
    monkeypatch.setattr(whole_models, "whole_model", None)  # nothing is computed again
    again = run(experiment, detectors=("srm",), plots=False)
    assert [row.verdicts["srm"].errors for row in again] == first


def test_the_colour_model_sees_three_channels(covers, tmp_path, stand_in, monkeypatch):
    conditions = tuple(conditions_of(("lsb",), [Payload.parse("0.3")]))
    seen = []

    def look(name, samples):
        seen.append(samples.shape)
        return _noise(name, samples)

    monkeypatch.setattr(whole_models, "whole_model", look)
    colour = Experiment(covers, tmp_path / "colour", conditions, colour=True)
    run(colour, detectors=("colour-srm",), plots=False)
    assert set(seen) == {(64, 64, 3)}
    with pytest.raises(ValueError, match="needs colour"):
        run(
            Experiment(covers, tmp_path / "gray", conditions),
            detectors=("colour-srm",),
            plots=False,
        )


def test_without_sealwatch_it_is_said_what_to_install(experiment, monkeypatch):
    monkeypatch.setattr(whole_models, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="needs sealwatch") as caught:
        run(experiment, detectors=("srm",), plots=False)
    assert "deephide[judges]" in caught.value.hint
    assert not experiment.folder.exists()
