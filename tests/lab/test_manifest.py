"""Manifest of an experiment: what it holds, and that it notices every change."""

import json
import shlex
from hashlib import sha256

import pytest
import torch

from deephide.errors import InputImageError, OutputError
from deephide.lab import Condition, Experiment, Payload, Training, conditions_of, run
from deephide.lab.covers import ImageSet
from deephide.lab.manifest import NAME, verify
from deephide.lab.neural.architectures import build


@pytest.fixture
def experiment(covers, tmp_path):
    conditions = conditions_of(("lsb", "lsb-matching"), [Payload.parse("0.3"), Payload.parse("9B")])
    return Experiment(covers, tmp_path / "lab", tuple(conditions), seed=3)


@pytest.fixture
def done(experiment):
    run(experiment, detectors=("spa", "ws"), limit=10, plots=False)
    return experiment


def _manifest(experiment):
    return json.loads((experiment.folder / NAME).read_text())


def test_a_manifest_holds_inputs_settings_and_results(done, covers):
    found = _manifest(done)
    images = ImageSet(covers)
    known = found["inputs"]["covers"]
    assert known["name"] == "covers.zip"
    assert len(known["images"]) == 10
    assert all(sha256(images.raw(n)).hexdigest() == d for n, d in known["images"].items())
    table = (done.folder / "table.md").read_bytes()
    assert found["results"]["table.md"] == sha256(table).hexdigest()
    assert found["settings"]["conditions"][:2] == [["cover", None], ["lsb", "0.3"]]
    assert (found["settings"]["seed"], found["settings"]["limit"]) == (3, 10)
    assert str(done.folder) not in json.dumps(found)


def test_a_manifest_gives_the_command_that_repeats_it(done, covers, tmp_path):
    found = verify(done.folder, {"covers": covers})
    assert (found.covers, found.rows, found.programs) == (10, 5, {})
    assert shlex.split(found.command) == [
        "deephide", "lab", str(covers), "--scheme", "lsb", "--scheme", "lsb-matching",
        "--payload", "0.3", "--payload", "9B", "--detector", "spa", "--detector", "ws",
        "--limit", "10", "--seed", "3",
    ]  # fmt: skip
    again = Experiment(covers, tmp_path / "again", done.conditions, seed=3)
    run(again, detectors=("spa", "ws"), limit=10, plots=False)
    assert _manifest(again) == _manifest(done)


def test_conditions_of_no_command_have_none(covers, tmp_path):
    odd = (Condition("cover"), Condition("lsb", Payload.parse("0.3")), Condition("lsb-matching",
           Payload.parse("9B")))  # fmt: skip
    experiment = Experiment(covers, tmp_path / "lab", odd)
    run(experiment, detectors=("spa",), plots=False)
    assert verify(experiment.folder, {"covers": covers}).command is None


def test_weights_and_training_belong_to_it(covers, tmp_path):
    torch.save(build("yedroudj", 1).state_dict(), tmp_path / "w.pt")
    conditions = tuple(conditions_of(("lsb",), [Payload.parse("0.3")]))
    experiment = Experiment(covers, tmp_path / "lab", conditions)
    training = Training(steps=0, device="cpu", weights=tmp_path / "w.pt")
    run(experiment, detectors=("yedroudj",), plots=False, training=training)
    with pytest.raises(OutputError, match="had weights, which must be given too"):
        verify(experiment.folder, {"covers": covers})
    files = {"covers": covers, "weights": tmp_path / "w.pt"}
    assert "--steps 0 --crop 256" in verify(experiment.folder, files).command
    torch.save(build("yedroudj", 2).state_dict(), tmp_path / "w.pt")
    with pytest.raises(OutputError, match=r"weights: w\.pt is not the file"):
        verify(experiment.folder, files)


def test_changed_results_are_noticed(done, covers):
    with (done.folder / "results.json").open("a") as file:
        file.write(" ")
    with pytest.raises(OutputError, match=r"results\.json is not that of the manifest"):
        verify(done.folder, {"covers": covers})


def test_other_covers_are_noticed(done, covers, tmp_path, make_texture):
    from PIL import Image

    folder = tmp_path / "unpacked"
    images = ImageSet(covers)
    for name in images.names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(images.raw(name))
    assert verify(done.folder, {"covers": folder}).covers == 10
    used = list(_manifest(done)["inputs"]["covers"]["images"])
    Image.fromarray(make_texture(99)).save(folder / used[2])
    (folder / used[5]).unlink()
    with pytest.raises(InputImageError, match=f"covers: 2 of 10 .* first {used[2]}"):
        verify(done.folder, {"covers": folder})


def test_other_versions_are_told(done, covers):
    found = _manifest(done)
    found["programs"]["numpy"] = "1.0"
    (done.folder / NAME).write_text(json.dumps(found))
    assert verify(done.folder, {"covers": covers}).programs["numpy"][0] == "1.0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "holds no manifest"),
        ("[]", "is no manifest"),
        ("{}", "is no manifest"),
        ("{", "is no"),
    ],
)
def test_what_is_no_manifest_is_said(text, message, covers, tmp_path):
    if text is not None:
        (tmp_path / NAME).write_text(text)
    with pytest.raises(OutputError, match=message):
        verify(tmp_path, {"covers": covers})
