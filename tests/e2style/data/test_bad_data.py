"""Images that cannot be read are named, counted and left out, whatever is wrong with them."""

import dataclasses
import io
import json
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image

from e2style import load
from e2style.calibration import calibrate
from e2style.data.archive import Archive
from e2style.data.faces import FaceSet
from e2style.data.pairs import PairSet
from e2style.errors import DataError
from e2style.evaluation.sets import reconstruct
from e2style.training.export import export
from e2style.training.loop import train

GOOD = 6


def _png(seed=0, side=32):
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(small).resize((side, side), Image.Resampling.BICUBIC).save(data, "PNG")
    return data.getvalue()


def _broken_png():
    """Pixels that go on in a chunk whose name is none, which Pillow calls a syntax error."""
    good = _png()
    start = good.index(b"IDAT") - 4
    length = struct.unpack(">I", good[start : start + 4])[0]
    half = b"IDAT" + good[start + 8 : start + 8 + length // 2]
    chunk = struct.pack(">I", length // 2) + half + struct.pack(">I", zlib.crc32(half))
    return good[:start] + chunk + struct.pack(">I", 8) + bytes(range(20))


@pytest.fixture
def bad_zip(tmp_path):
    """A zip of six good images and one of every kind of bad ones."""
    path = tmp_path / "bad.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(GOOD):
            archive.writestr(f"good{k}.png", _png(k))
        archive.mkdir("folder.png")
        archive.writestr("cut.png", _png()[:60])
        archive.writestr("syntax.png", _broken_png())
        archive.writestr("text.jpg", b"no picture")
        archive.writestr("empty.webp", b"")
        for name in ("crc", "encrypted", "method"):
            archive.writestr(f"{name}.png", _png(9))
        archive.writestr("deflated.png", _png(9), zipfile.ZIP_DEFLATED)
        infos = {info.filename: info for info in archive.infolist()}
    raw = bytearray(path.read_bytes())

    def body(name):
        return infos[name].header_offset + 30 + len(name)

    raw[body("crc.png") + 40] ^= 0xFF
    raw[body("deflated.png")] = 0xFF  # a block type that does not exist
    # Flags and method stand in the local header and in the central directory.
    for name, offset, value in (("encrypted.png", 6, 1), ("method.png", 8, 99)):
        local = infos[name].header_offset + offset
        central = raw.rindex(name.encode()) - 46 + offset + 2
        for place in (local, central):
            raw[place : place + 2] = struct.pack("<H", value)
    path.write_bytes(raw)
    return path


BAD = {
    "crc.png", "cut.png", "deflated.png", "empty.webp", "encrypted.png", "method.png",
    "syntax.png", "text.jpg",
}  # fmt: skip


def test_the_zip_is_bad_in_as_many_ways(bad_zip):
    kinds = {}
    with zipfile.ZipFile(bad_zip) as archive:
        for name in ("crc.png", "deflated.png", "encrypted.png", "method.png"):
            with pytest.raises(Exception) as caught:
                archive.read(name)
            kinds[name] = caught.type
    assert kinds == {
        "crc.png": zipfile.BadZipFile,
        "deflated.png": zlib.error,
        "encrypted.png": RuntimeError,
        "method.png": NotImplementedError,
    }
    with pytest.raises(SyntaxError):
        Image.open(io.BytesIO(_broken_png())).load()


def test_a_set_of_faces_leaves_out_what_cannot_be_read(bad_zip):
    faces = FaceSet(bad_zip, 16)
    assert len(faces) == GOOD
    assert set(faces.skipped) == BAD


def test_a_folder_may_look_like_a_picture(bad_zip, tmp_path):
    folder = tmp_path / "pictures"
    (folder / "x.png").mkdir(parents=True)
    (folder / "x.png" / "0.png").write_bytes(_png())
    assert FaceSet(folder, 16).names == ["x.png/0.png"]
    assert "folder.png/" not in Archive(bad_zip).names


def test_pairs_leave_out_what_cannot_be_read(config, bad_zip):
    pairs = PairSet(config, str(bad_zip))
    for place in range(2 * (GOOD + len(BAD))):
        pairs.sample(place)
    assert set(pairs.bad) == BAD
    pairs.close()


def test_every_command_counts_what_it_skips(train_config, bad_zip, tmp_path):
    run = tmp_path / "run"
    train(dataclasses.replace(train_config, data=str(bad_zip)), run)
    row = json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
    assert row["skipped"] == len(BAD)
    model = load(export(run, tmp_path / "m.safetensors"))
    faces = FaceSet(bad_zip, 256)
    assert len(reconstruct(model, faces).names) == GOOD
    assert calibrate(model, faces, step=1.0).skipped == len(BAD)


def test_a_zip_without_its_directory_is_refused(bad_zip):
    raw = bytearray(bad_zip.read_bytes())
    place = raw.rindex(b"PK\x01\x02")
    raw[place : place + 4] = b"\0\0\0\0"
    bad_zip.write_bytes(raw)
    with pytest.raises(DataError):
        Archive(bad_zip)
