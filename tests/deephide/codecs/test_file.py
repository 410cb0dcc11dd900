from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import deephide
from deephide.codecs import file as file_codec
from deephide.formats import names

pytestmark = pytest.mark.usefixtures("cheap_kdf")


NAMES = st.text(max_size=40).map(names.portable)


@given(st.binary(max_size=2000), NAMES)
@settings(max_examples=50, deadline=None)
def test_bytes_come_back_and_a_changed_parameter_never_passes(data, name):
    parameters, payload = file_codec.compress(data, name)
    assert file_codec.decompress(parameters, payload) == (name, data)
    assert len(payload) <= len(name.encode()) + len(data)
    for place in (0, 1, 2, 3, 4, 6, 7):  # another length of the name may be one, too
        bad = bytearray(parameters)
        bad[place] ^= 1
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(bytes(bad), payload)


@given(st.binary(max_size=300), st.integers(0, 2**26))
@settings(max_examples=100, deadline=None)
def test_hostile_frames_end_in_one_error_or_the_declared_size(payload, size):
    try:
        found = file_codec.decompress(b"\x01" + size.to_bytes(4, "little") + bytes(3), payload)
    except file_codec.FileFormatError:
        return
    assert len(found[1]) == size


def test_a_bomb_is_cut_off_at_the_declared_size():
    many = 1 << 28
    maker = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, window_log=20, write_content_size=False
    )
    bomb = zstandard.ZstdCompressor(compression_params=maker).compress(bytes(many))
    for size in (100, file_codec.MAX_FILE_BYTES):
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(b"\x01" + size.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(file_codec.FileFormatError, match="out of range"):
        file_codec.decompress(b"\x01" + many.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(ValueError, match=r"allowed 0\.\."):
        file_codec.compress(bytes(file_codec.MAX_FILE_BYTES + 1))


def test_files_that_cannot_fit_are_refused_before_they_are_packed(photo, monkeypatch):
    noise = np.random.default_rng(0).bytes(1 << 21)
    monkeypatch.setattr(file_codec, "compress", lambda *_: pytest.fail("packed"))
    with pytest.raises(deephide.CapacityError, match="the file of 2097152 bytes is too long"):
        deephide.embed(noise, photo, "p", codec="file")
    # What shrinks a lot, or repeats far back, still has its chance.
    assert not file_codec.is_hopeless(bytes(1 << 24), 2000)
    assert not file_codec.is_hopeless(noise * 8, 600_000)


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\jo\\tax 2025.ods", "tax 2025.ods"),
        (".bashrc", "bashrc"),
        ("--force", "force"),
        ("a\x1b[31mb\n.txt", "a_[31mb_.txt"),
        ("\u202egnp.exe", "_gnp.exe"),
        ("nul.txt", "_nul.txt"),
        ("e\u0301t\u00e9.txt", "\u00e9t\u00e9.txt"),
        ("... ", ""),
        ("broken\udcff.txt", "broken_.txt"),
        ("x" * 300 + ".txt", "x" * 124 + ".txt"),
        ("\u00e9" * 100, "\u00e9" * 64),
    ],
)
def test_a_name_travels_without_what_some_system_takes_for_more(given_name, kept):
    assert names.portable(given_name) == kept
    assert not kept or names.is_portable(kept)
    assert given_name != kept or names.is_portable(given_name)


@given(st.text(max_size=200))
@settings(max_examples=200, deadline=None)
def test_what_is_made_portable_stays_so(text):
    name = names.portable(text)
    assert not name or names.is_portable(name)
    assert names.portable(name) == name


def test_a_name_that_is_not_portable_is_rejected_on_both_sides():
    with pytest.raises(ValueError, match="not portable"):
        file_codec.compress(b"x", "a/b")
    for named in (b"a/b", b"..", b"\xff", b"a" * 129):
        parameters = b"\0" + len(named).to_bytes(4, "little") + bytes([len(named), 0, 0])
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(parameters, named)


def test_files_are_written_as_they_were_under_their_own_names(tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo.save("photo.png")
    (tmp_path / "notes.jpg").write_bytes(b"no picture at all")
    (tmp_path / "out").mkdir()
    deephide.embed_file("notes.jpg", "photo.png", "stego.png", "p", codec="file")
    found = deephide.extract_file("stego.png", "out", "p")
    assert (str(found.path), found.name) == (str(Path("out", "notes.jpg")), "notes.jpg")
    assert (tmp_path / "out" / "notes.jpg").read_bytes() == b"no picture at all"
    # A name that came from outside replaces nothing.
    for force in (False, True):
        with pytest.raises(deephide.OutputError, match=r"notes\.jpg exists"):
            deephide.extract_file("stego.png", None, "p", force=force)
    deephide.extract_file("stego.png", "copy.jpg", "p")
    assert (tmp_path / "copy.jpg").read_bytes() == b"no picture at all"
    with pytest.raises(deephide.OutputError):
        deephide.extract_file("stego.png", "copy.jpg", "p")
    deephide.extract_file("stego.png", "copy.jpg", "p", force=True)


@pytest.mark.parametrize(
    ("data", "name", "written"),
    [
        (b"meet me at nine", None, "secret.txt"),
        (b"\x00\x01", None, "secret.bin"),
        (b"\x1b[31mred", None, "secret.bin"),
        (b"", None, "secret.bin"),
        (b"x", "../mine.txt", "mine.txt"),
    ],
)
def test_bytes_without_a_name_are_called_after_what_they_are(
    tmp_path, photo, monkeypatch, data, name, written
):
    monkeypatch.chdir(tmp_path)
    stego = deephide.embed(data, photo, "p", codec="file", name=name).stego
    assert str(deephide.extract_file(stego, None, "p").path) == written


def test_a_name_can_be_left_out_or_replaced(tmp_path, photo):
    (tmp_path / "plan.txt").write_bytes(b"x")
    for name, found in ((None, "plan.txt"), ("", None), ("other.md", "other.md")):
        stego = deephide.embed(tmp_path / "plan.txt", photo, "p", codec="file", name=name).stego
        assert deephide.extract(stego, "p").name == found


@pytest.mark.parametrize("fault", ["dictionary", "checksum", "reserved block"])
def test_frames_that_are_damaged_by_the_specification_are_rejected(fault):
    data = b"to be or not to be " * 40
    how = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False, write_checksum=True
    )
    frame = bytearray(zstandard.ZstdCompressor(compression_params=how).compress(data))
    parameters = b"\x01" + len(data).to_bytes(4, "little") + bytes(3)
    assert file_codec.decompress(parameters, bytes(frame)) == ("", data)
    if fault == "dictionary":  # one byte of its number behind the descriptor and the window
        frame[0] |= 1
        frame[2:2] = b"\x07"
    elif fault == "checksum":
        frame[-1] ^= 1
    else:
        frame[2] |= 6
    with pytest.raises(file_codec.FileFormatError, match="damaged"):
        file_codec.decompress(parameters, bytes(frame))
