"""Strong mode: frozen vectors, both readers, and what the mode promises."""

import base64
import io
import json
from pathlib import Path

import numpy as np
import pytest
from files import files_in
from PIL import Image

import deephide
from deephide.channels import kernels, openings
from deephide.channels.strong import code, grid
from deephide.channels.strong.grid import Frame, Rows
from deephide.container import crypto, layout
from deephide.container.keys import SharedKey

FOLDER = Path(__file__).parents[2] / "vectors" / "container" / "strong"
CASES = {path.stem: json.loads(path.read_text()) for path in files_in(FOLDER, "*.json")}


@pytest.mark.parametrize("greatest", [1, 50])
def test_both_decoders_of_the_convolutional_code_agree(greatest):
    rng = np.random.default_rng(greatest)
    for steps in (7, 100, 333):
        sums = rng.integers(-greatest, greatest + 1, 2 * steps)
        bits = np.empty(steps, np.uint8)
        kernels.follow(sums, code._FLAT_SIGNS, bits)
        assert (bits == code._best_bits(sums)).all()


@pytest.mark.parametrize("name", CASES)
def test_our_reader(name):
    entry = CASES[name]
    key = SharedKey(crypto.key_input(entry["passphrase"], bytes.fromhex(entry["fingerprint"])))
    seen = openings.look_at(base64.b64decode(entry["picture"]))
    if entry["expect"] == "ok":
        header, payload = layout.unpack(openings.reveal(seen, key))
        assert (header.codec, payload.hex()) == (1, entry["payload"])
        return
    with pytest.raises(deephide.DeephideError) as caught:
        layout.unpack(openings.reveal(seen, key))
    assert type(caught.value).__name__ == entry["expect"]


@pytest.mark.parametrize("name", CASES)
def test_a_reader_written_from_the_specification_alone(
    name, strong_receiver, second_receiver, tmp_path
):
    entry = CASES[name]
    path = tmp_path / "came-back"
    path.write_bytes(base64.b64decode(entry["picture"]))

    def read():
        fingerprint = bytes.fromhex(entry["fingerprint"])
        return second_receiver.unpack(
            strong_receiver.receive(path, entry["passphrase"], fingerprint)
        )

    if entry["expect"] == "ok":
        assert read()[2].hex() == entry["payload"]
        return
    expected = {
        "ExtractionError": second_receiver.RejectedError,
        "FormatVersionError": second_receiver.OtherVersionError,
    }
    with pytest.raises(expected[entry["expect"]]):
        read()


def test_the_second_reader_computes_the_same_elements(strong_receiver):
    luma = np.random.default_rng(1).integers(0, 256, (45, 430)).astype(np.uint8)
    frame = grid.whole(430, 45)
    ours = grid.coefficients(Rows(luma), frame).astype(np.int64).tolist()
    assert (frame.width, frame.height) == (1072, 112)
    assert ours == strong_receiver.elements(luma.tolist(), (1072, 112, None, None))
    cut = Frame(1072, 48, 2, 3, cropped=True)
    luma = np.random.default_rng(2).integers(0, 256, (45, 1070)).astype(np.uint8)
    ours = grid.coefficients(Rows(luma), cut).astype(np.int64).tolist()
    assert ours == strong_receiver.elements(luma.tolist(), (1072, 48, 2, 3))


@pytest.mark.parametrize("size", [(1072, 720), (1070, 715), (720, 1064), (1072, 1072), (536, 361)])
def test_frames(size, strong_receiver):
    ours = [[(f.width, f.height) for f in (grid.whole(*size),)]]
    cropped = sorted(grid.crops(*size), key=lambda f: (f.left, f.top))
    theirs = list(strong_receiver.frames(*size))
    assert ours[0][0] == theirs[0][0][:2]
    assert [(f.width, f.height, f.left, f.top) for f in cropped] == [
        frame for group in theirs[1:] for frame in group
    ]


def test_the_code_puts_right_what_is_noisy(strong_receiver):
    data = bytes(range(40, 90))
    rng = np.random.default_rng(3)
    signs = 1 - 2 * code.encode(data).astype(np.int64)
    assert signs.size == code.coded_bits(len(data))
    noisy = signs * 64 + np.rint(rng.normal(0, 40, signs.size)).astype(np.int64)
    assert 20 < np.count_nonzero((noisy > 0) != (signs > 0))
    assert code.decode(noisy) == data == strong_receiver.viterbi(noisy.tolist(), len(data))


def test_elements_are_moved_to_their_bits():
    rng = np.random.default_rng(4)
    values = rng.normal(0, 50, 500) * grid.SCALE
    shifts = code.dither(bytes(32), 500)
    bits = rng.integers(0, 2, 500).astype(np.uint8)
    moves = code.towards(values, shifts, 16, bits)
    assert np.abs(moves).max() <= 8
    soft = code.softness(values + moves * grid.SCALE, shifts, 16)
    assert (np.abs(soft) >= 63).all()
    assert ((soft < 0) == (bits == 1)).all()


@pytest.mark.usefixtures("cheap_kdf")
def test_a_strong_stego_survives_what_it_promises():
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:600, 0:900]
    shapes = 128 + 50 * np.sin(x / 80) * np.cos(y / 65) + rng.normal(0, 6, (600, 900))
    photo = Image.fromarray(np.clip(shapes, 12, 243).astype(np.uint8))
    stego = deephide.embed(bytes(range(60)), photo, "key", codec="file", channel="strong")
    assert stego.channel.name == "strong"
    assert max(stego.stego.size) == 1072
    assert any("plain to any detector" in warning for warning in stego.warnings)
    picture = Image.open(io.BytesIO(stego.file))
    buffer = io.BytesIO()
    picture.resize((701, 467), Image.Resampling.BILINEAR).save(buffer, "JPEG", quality=75)
    assert deephide.extract(buffer.getvalue(), "key").data == bytes(range(60))
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(buffer.getvalue(), "other")


def test_photos_that_are_too_small_are_refused(cheap_kdf):
    photo = Image.fromarray(np.full((300, 400), 99, np.uint8))
    with pytest.raises(deephide.CapacityError, match="too small for strong mode"):
        deephide.embed(b"x", photo, "key", codec="file", channel="strong")
