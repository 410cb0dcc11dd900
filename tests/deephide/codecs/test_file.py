import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

import deephide
from deephide.codecs import file as file_codec

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@given(st.binary(max_size=2000))
@settings(max_examples=50, deadline=None)
def test_bytes_come_back_and_a_changed_parameter_never_passes(data):
    parameters, payload = file_codec.compress(data)
    assert file_codec.decompress(parameters, payload) == data and len(payload) <= len(data)
    for place in range(8):
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
    assert len(found) == size


def test_a_bomb_is_cut_off_at_the_declared_size():
    many = 1 << 28
    maker = zstandard.ZstdCompressionParameters.from_level(
        3, format=zstandard.FORMAT_ZSTD1_MAGICLESS, window_log=20, write_content_size=False
    )
    bomb = zstandard.ZstdCompressor(compression_params=maker).compress(bytes(many))
    for size in (100, file_codec.MAX_FILE_BYTES):
        with pytest.raises(file_codec.FileFormatError):
            file_codec.decompress(b"\x01" + size.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(file_codec.FileFormatError, match="too large"):
        file_codec.decompress(b"\x01" + many.to_bytes(4, "little") + bytes(3), bomb)
    with pytest.raises(ValueError, match=r"allowed 0\.\."):
        file_codec.compress(bytes(file_codec.MAX_FILE_BYTES + 1))


def test_files_that_cannot_fit_are_refused_before_they_are_packed(photo, monkeypatch):
    noise = np.random.default_rng(0).bytes(1 << 21)
    monkeypatch.setattr(file_codec, "compress", lambda _: pytest.fail("packed"))
    with pytest.raises(deephide.CapacityError, match="the file of 2097152 bytes is too long"):
        deephide.embed(noise, photo, "p", codec="file")
    # What shrinks a lot, or repeats far back, still has its chance.
    assert not file_codec.is_hopeless(bytes(1 << 24), 2000)
    assert not file_codec.is_hopeless(noise * 8, 600_000)


def test_files_are_written_as_they_were(tmp_path, photo, monkeypatch):
    monkeypatch.chdir(tmp_path)
    photo.save("photo.png")
    (tmp_path / "notes.jpg").write_bytes(b"no picture at all")
    deephide.embed_file("notes.jpg", "photo.png", "stego.png", "p", codec="file")
    assert str(deephide.extract_file("stego.png", None, "p").path) == "secret.bin"
    deephide.extract_file("stego.png", "copy.jpg", "p")
    assert (tmp_path / "copy.jpg").read_bytes() == b"no picture at all"
    with pytest.raises(deephide.OutputError):
        deephide.extract_file("stego.png", "copy.jpg", "p")
