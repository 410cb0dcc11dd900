"""`deephide models` with model files of real, tiny networks."""

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from tiny_model import write_tiny_model

from cli.deephide_app import app
from deephide.container import crypto

EMBED = ("embed", "--secret", "face.png", "--carrier", "photo.png", "--codec", "latent")


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    place = tmp_path_factory.mktemp("stored")
    return [write_tiny_model(place / f"{seed}.safetensors", seed) for seed in (1, 2)]


@pytest.fixture
def models(folder, stored, monkeypatch):
    """Run a command beside two model files; nothing is added yet."""
    for number, path in enumerate(stored, 1):
        shutil.copy(path, f"tiny{number}.safetensors")
    monkeypatch.setenv("DEEPHIDE_MODEL_DIR", str(folder / "models"))
    monkeypatch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
    monkeypatch.setattr("stc.is_compiled", lambda: True, raising=False)

    def call(*args, **options):
        return CliRunner().invoke(app, [str(each) for each in args], **options)

    return call


def fields(done):
    return json.loads(done.stdout)


def in_the_folder():
    return sorted(os.listdir("models")) if os.path.isdir("models") else []


def test_an_added_model_is_found_by_name_and_by_extraction_itself(models):
    assert models("models", "add", "tiny2.safetensors", "--name", "other").exit_code == 0
    done = models("models", "add", "tiny1.safetensors", "--json")
    added = fields(done)
    assert added["name"] == "tiny1" and Path(added["path"]).stem == added["fingerprint"]
    listed = fields(models("models", "--json"))["models"]
    assert [(row["name"], row["built_in"]) for row in listed] == [
        ("face256", True), ("other", False), ("tiny1", False)
    ]  # fmt: skip
    for key in ((), ("--passphrase-file", "-")):
        done = models(*EMBED, "--model", "tiny1", "--force", *key, input="zebra")
        assert done.exit_code == 0, done.stderr
        done = models("extract", "stego.png", "--force", "--json", *key, input="zebra")
        assert fields(done)["model"] == "tiny"
        # Whoever names a model means it.
        done = models("extract", "stego.png", "--force", "--model", "other", *key, input="zebra")
        assert done.exit_code == (7 if key else 5)


def test_what_is_hidden_with_a_model_that_is_not_here_says_which(models):
    key = ("--passphrase-file", "-")
    done = models(*EMBED, "--model", "tiny1.safetensors", *key, input="zebra")
    assert done.exit_code == 0, done.stderr
    done = models("extract", "stego.png", *key, input="zebra")
    assert done.exit_code == 7 and "deephide models add" in done.stderr
    assert models("models", "add", "tiny1.safetensors").exit_code == 0
    assert models("extract", "stego.png", *key, input="zebra").exit_code == 0
    assert models("models", "remove", "tiny1").exit_code == 0
    assert in_the_folder() == []
    assert models("extract", "stego.png", "--force", *key, input="zebra").exit_code == 7


def no_model():
    Path("bad.safetensors").write_bytes(b"no model")


def cut_short():
    Path("bad.safetensors").write_bytes(Path("tiny1.safetensors").read_bytes()[:-9])


def without_a_tensor():
    from safetensors.torch import save_file

    from e2style.checkpoints.tensors import read_tensors

    header, tensors = read_tensors("tiny1.safetensors")
    tensors.pop(next(name for name in tensors if name.startswith("network.")))
    save_file(tensors, "bad.safetensors", header)


def numbers_that_are_none():
    from safetensors.torch import save_file

    from e2style.checkpoints.tensors import read_tensors

    header, tensors = read_tensors("tiny1.safetensors")
    tensors["network.w_avg"].fill_(float("nan"))
    save_file(tensors, "bad.safetensors", header)


def of_torch():
    import torch

    torch.save({"a": torch.zeros(3)}, "bad.safetensors")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: None, "no such file"),
        (no_model, "not a model file of this program"),
        (cut_short, "cannot be read"),
        (without_a_tensor, "missing"),
        (numbers_that_are_none, "generates values that are no numbers"),
        (of_torch, "e2style convert"),
    ],
)
def test_bad_files_are_refused_in_one_sentence_and_leave_nothing(models, make, said):
    make()
    done = models("models", "add", "bad.safetensors")
    assert (done.exit_code, done.stdout) == (7, "")
    line = done.stderr.splitlines()[0]
    assert line.startswith("deephide: error: model bad.safetensors: ") and said in line
    assert ".part" not in done.stderr and in_the_folder() == []


@pytest.mark.parametrize("name", ["face256", "a/b", "a\\b", "..", "-x", "", "a" * 65, "a b", "a\n"])
def test_names_that_are_taken_or_look_like_paths_are_refused(models, name):
    done = models("models", "add", "tiny1.safetensors", f"--name={name}")
    assert done.exit_code == 2 and f"name {name!r}" in done.stderr
    assert in_the_folder() == []


def test_a_name_may_be_of_any_script(models):
    assert models("models", "add", "tiny1.safetensors", "--name", "süß写真").exit_code == 0
    assert "süß写真  " in models("models").stdout
    assert models("models", "verify", "süß写真").exit_code == 0


def test_nothing_is_replaced_without_force(models):
    add = ("models", "add", "tiny1.safetensors")
    assert models(*add).exit_code == models(*add).exit_code == 0
    first = in_the_folder()
    assert len(first) == 2
    done = models(*add, "--name", "again")
    assert done.exit_code == 8 and "is there already, as 'tiny1'" in done.stderr
    done = models("models", "add", "tiny2.safetensors", "--name", "tiny1")
    assert done.exit_code == 8 and "that of another added model" in done.stderr
    assert in_the_folder() == first
    assert models("models", "add", "tiny2.safetensors", "--name", "tiny1", "--force").exit_code == 0
    assert len(in_the_folder()) == 2 and in_the_folder() != first


def test_a_folder_that_cannot_be_made_is_said(models, monkeypatch):
    monkeypatch.setenv("DEEPHIDE_MODEL_DIR", "photo.png")
    done = models("models", "add", "tiny1.safetensors")
    assert done.exit_code == 8 and "the output photo.png cannot be written" in done.stderr


def test_an_interrupt_leaves_nothing(models, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("e2style.checkpoints.verification.load_and_sketch", interrupt)
    assert models("models", "add", "tiny1.safetensors").exit_code == 130
    assert in_the_folder() == []


def test_info_says_what_a_model_is(models):
    found = fields(models("models", "info", "--json"))
    assert found["name"] == "face256" and found["code_shape"] == [14, 512]
    assert found["output_side"] == 256 and found["card"]["licence"].startswith("research")
    shown = models("models", "info", "tiny1.safetensors").stdout
    assert "code shape            8 x 512" in shown and "output side           32" in shown
    assert models("models", "info", "missing").exit_code == 7


def test_verify_finds_every_flipped_bit_of_what_was_added(models):
    added = fields(models("models", "add", "tiny1.safetensors", "--json"))
    done = models("models", "verify")
    assert done.exit_code == 0
    said = {line.split()[0]: line.split(": ", 1)[1] for line in done.stdout.splitlines()}
    right = "the hash is right, the generated image is 0 levels off"
    assert said["face256"] == said["tiny1"] == right
    assert all(each.startswith("the hash is right") for each in said.values()) and len(said) > 8
    loose = models("models", "verify", "tiny2.safetensors").stdout
    assert loose.rstrip().endswith("sound: no hash is known, no generated image is known")
    path = Path(added["path"])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    done = models("models", "verify", "--json")
    assert done.exit_code == 7
    found = fields(done)
    unsound = [row for row in found["models"] if not row["sound"]]
    assert [row["model"] for row in unsound] == ["tiny1"]
    assert "hash" in unsound[0]["problem"] == found["error"]["message"]
    assert models(*EMBED, "--model", "tiny1").exit_code == 7


def test_verify_compares_the_painting(models, monkeypatch):
    note = Path(fields(models("models", "add", "tiny1.safetensors", "--json"))["path"])
    note = note.with_suffix(".json")
    known = json.loads(note.read_text())
    known["sketch"] = "ff" * 48
    note.write_text(json.dumps(known))
    done = models("models", "verify", "tiny1")
    assert done.exit_code == 7 and "levels from the known one" in done.stderr


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"name": 3, "sha256": 4, "sketch": 5}'])
def test_a_damaged_note_is_told_and_left_out(models, damage):
    added = fields(models("models", "add", "tiny1.safetensors", "--json"))
    Path(added["path"]).with_suffix(".json").write_text(damage)
    done = models("models")
    assert done.exit_code == 0 and "is damaged; its model is left out" in done.stderr
    assert "tiny1" not in done.stdout


def test_removing_what_is_not_there(models):
    done = models("models", "remove", "face256")
    assert done.exit_code == 7 and "not among the added ones, which are: none" in done.stderr
