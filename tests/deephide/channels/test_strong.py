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
from deephide.channels import kernels, lattice, openings, transform
from deephide.channels.battery import as_shown
from deephide.channels.receiving import luma_of_file
from deephide.channels.strong import code, grid, writing
from deephide.channels.strong.grid import Frame, Rows
from deephide.container import brightness, crypto, layout
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


def test_tiles_are_kept_as_far_from_darker_and_from_brighter_levels_as_asked():
    samples = np.cumsum(np.random.default_rng(4).normal(0, 1.5, (128, 128, 1)), axis=1) + 128
    for darker, brighter in ((9.0, 1.0), (1.0, 9.0), (5.0, 5.0)):
        guards = [np.full((8, 8), guard) for guard in (darker, brighter)]
        kept = transform.kept_off_levels(samples, *guards)
        sums = kept[:, :, 0].reshape(8, 16, 8, 16).mean(axis=(1, 3))
        places = (sums - sums.mean()) / brightness.LEVEL + float(brightness.OFFSET)
        above = brightness.LEVEL * (places - np.floor(places))
        assert above.min() > darker - 0.5
        assert (brightness.LEVEL - above).min() > brighter - 0.5
        assert np.abs(kept - samples).max() < 9.5


def test_brightness_stays_where_sizes_are_no_whole_blocks(cheap_kdf):
    rng = np.random.default_rng(0)
    coarse = Image.fromarray(rng.integers(20, 236, (45, 67)).astype(np.uint8))
    photo = transform.open_photo(coarse.resize((1072, 720), Image.Resampling.BICUBIC), 1072)
    stage = writing.prepare(photo, 4, 10.0, lambda salt: None)
    picture = as_shown(stage.cover)
    sizes = ((639, 429), (735, 494), (831, 558))  # 5 to 7 pixels more than whole blocks
    came_back = [picture.resize(size, Image.Resampling.HAMMING) for size in sizes]
    corners = [(left, top) for left in (0, 8) for top in (0, 8)]
    came_back += [picture.crop((left, top, left + 1064, top + 712)) for left, top in corners]
    for each in came_back:
        buffer = io.BytesIO()
        each.save(buffer, "JPEG", quality=75)
        assert lattice.salt_of(luma_of_file(buffer.getvalue())) == stage.salt
