"""Kinds of covers: a new one is a class and a line, and nobody else has to know of it."""

import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.covers import kinds, opening
from deephide.covers.jpeg import JpegCover
from deephide.covers.samples import SampleCover, from_image
from deephide.options import EmbedOptions, Keywords

START = b"RAW!"


@dataclasses.dataclass(frozen=True, eq=False)
class RawCover(SampleCover):
    """Side and samples of a gray square, one after the other."""

    element_name = "raw samples"

    def reopened(self, elements):
        return open_raw(self.encode(elements), "stego")

    def check_suffix(self, suffix):
        assert suffix == ".raw"

    def prepare_encoding(self, suffix):
        return suffix

    def encode(self, elements, *, suffix=None, strip_metadata=False, preparation=None):
        assert preparation == suffix and not strip_metadata
        return START + bytes([self.shape[0]]) + elements.astype(np.uint8).tobytes()


def open_raw(raw, role):
    side = raw[4]
    image = Image.fromarray(np.frombuffer(raw, np.uint8, side * side, 5).reshape(side, side))
    return RawCover(from_image(image, role).samples)


@pytest.fixture
def raw_kind(monkeypatch):
    kind = kinds.Kind(lambda first: first.startswith(START), open_raw, (".raw",))
    monkeypatch.setattr(kinds, "KINDS", (kind, *kinds.KINDS))


def test_a_third_kind_of_cover_is_one_line(tmp_path, make_texture, raw_kind, cheap_kdf):
    samples = make_texture(120, 120, 1)
    (tmp_path / "photo.raw").write_bytes(START + bytes([120]) + samples.tobytes())
    result = deephide.embed_file(
        b"secret", tmp_path / "photo.raw", tmp_path / "stego.raw", "p", codec="file"
    )
    written = (tmp_path / "stego.raw").read_bytes()
    assert written.startswith(START) and written == result.file
    assert result.element_name == "raw samples" and result.elements == samples.size
    assert deephide.extract(tmp_path / "stego.raw", "p").data == b"secret"
    in_memory = deephide.embed(b"secret", (tmp_path / "photo.raw").read_bytes(), "p", codec="file")
    assert deephide.extract(in_memory.file, "p").data == b"secret"
    assert opening.suffixes(tmp_path / "photo.raw") == (".raw",)
    assert deephide.capacity(tmp_path / "photo.raw").elements == samples.size
    with pytest.raises(deephide.OutputError, match=r"does not end in \.raw"):
        deephide.embed_file(b"", tmp_path / "photo.raw", tmp_path / "a.txt", "p", codec="file")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".jpg"])
def test_the_file_of_a_result_is_the_one_that_is_written(tmp_path, photo, suffix, cheap_kdf):
    carrier, stego = tmp_path / f"carrier{suffix}", tmp_path / f"stego{suffix}"
    photo.save(carrier)
    result = deephide.embed_file(b"secret", carrier, stego, "p", codec="file")
    assert result.file == stego.read_bytes()
    formats = [Image.open(io.BytesIO(raw)).format for raw in (carrier.read_bytes(), result.file)]
    assert formats[0] == formats[1]
    assert result.element_name == ("coefficients" if suffix == ".jpg" else "samples")
    assert deephide.extract(result.file, "p").data == b"secret"


def test_the_file_of_a_result_in_memory_is_lossless(photo, cheap_kdf):
    result = deephide.embed(b"secret", photo, "p", codec="file")
    assert result.file is result.file and result.file.startswith(b"\x89PNG")
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(result.file))), np.asarray(result.stego))


def test_a_jpeg_cover_writes_what_it_is_asked_for_and_not_what_it_wrote_before(jpegs):
    cover = opening.open_cover(jpegs.encoded(jpegs.photo(64, 64), quality=90))
    assert isinstance(cover, JpegCover)
    elements = cover.elements.copy()
    before = cover.encode(elements)
    elements[0] += 1
    assert cover.encode(elements) != before
    assert np.array_equal(cover.reopened(elements).elements, elements)


def test_there_is_one_list_of_options():
    names = [each.name for each in dataclasses.fields(EmbedOptions)]
    assert set(Keywords.__annotations__) == set(names) - {"passphrase", "model", "cost", "codec"}
    with pytest.raises(TypeError, match="positional"):
        EmbedOptions("a passphrase")
    with pytest.raises(TypeError, match="unexpected"):
        deephide.embed(b"secret", "photo.png", budgets=4)
