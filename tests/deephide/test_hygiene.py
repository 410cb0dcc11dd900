"""Metadata of the stego's file, and what other files say about it."""

import os

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

import deephide

pytestmark = pytest.mark.usefixtures("cheap_kdf")

OLD = 1_000_000_000_123_456_789


@pytest.fixture
def files(tmp_path, photo, face):
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    photo.save(tmp_path / "photo.png", pnginfo=info)
    face.save(tmp_path / "face.png")
    os.utime(tmp_path / "photo.png", ns=(OLD, OLD))
    return tmp_path


def embed(files, model, name="stego.png", **options):
    return deephide.embed_file(
        files / "face.png", files / "photo.png", files / name, "p", model, **options
    )


def test_the_stego_is_the_file_that_the_encoder_of_the_cover_would_write(files, model):
    result = embed(files, model)
    info = PngImagePlugin.PngInfo()
    info.add_text("Author", "somebody")
    result.stego.save(files / "pillow.png", pnginfo=info)
    assert (files / "stego.png").read_bytes() == (files / "pillow.png").read_bytes()


def test_metadata_and_times_stay_or_go_as_told(files, model):
    embed(files, model)
    embed(files, model, "bare.png", strip_metadata=True, keep_times=True)
    assert Image.open(files / "stego.png").text == {"Author": "somebody"}
    assert Image.open(files / "bare.png").text == {}
    assert (files / "stego.png").stat().st_mtime_ns != OLD
    assert (files / "bare.png").stat().st_mtime_ns == OLD
    assert deephide.extract(files / "bare.png", "p", model).info.codec == "latent"


def test_an_earlier_stego_of_the_carrier_is_warned_of(files, model, caplog):
    assert not [note for note in embed(files, model).warnings if "earlier" in note]
    second = embed(files, model, "second.png", compare_with=files)
    notes = [note for note in second.warnings if "earlier" in note]
    assert len(notes) == 1 and "stego.png" in notes[0] and notes[0] in caplog.text
    photo = np.asarray(Image.open(files / "photo.png"))
    Image.fromarray(255 - photo).save(files / "photo.png")
    third = embed(files, model, "third.png", compare_with=files)
    assert not [note for note in third.warnings if "earlier" in note]
