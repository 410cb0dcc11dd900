"""JPEG carriers from end to end: what comes back, what stays, what is rejected."""

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.container.layout import Zones
from deephide.container.zones import public_zone
from deephide.covers.opening import open_cover
from deephide.covers.samples import SampleCover
from deephide.formats.jpeg import coder, segments

SECRET = bytes(range(40))


def hide(raw, secret=SECRET, **options):
    return deephide.embed(secret, raw, "p", codec="file", **options)


@pytest.fixture
def carrier(jpegs):
    return jpegs.encoded(jpegs.photo(96, 120), quality=90)


def test_round_trips_over_every_kind(jpegs, cheap_kdf):
    for kind, options in jpegs.KINDS.items():
        raw = jpegs.encoded(jpegs.photo(121, 153), **options)
        result = hide(raw)
        assert deephide.extract(result.file, "p").data == SECRET, kind
        before, after = open_cover(raw), open_cover(result.file)
        away = after.elements.astype(int) - before.elements
        assert np.abs(away).max() == 1 and np.count_nonzero(away) == result.changes, kind
        old, new = segments.parse(raw), segments.parse(result.file)
        for a, b in zip(old.quantization, new.quantization, strict=True):
            assert np.array_equal(a, b)
        with pytest.raises(deephide.ExtractionError):
            deephide.extract(result.file, "q")


@pytest.mark.parametrize("cost", ["auto", "juniward", "uerd", "jmipod"])
def test_costs(carrier, cost, cheap_kdf):
    result = hide(carrier, cost=cost)
    assert deephide.extract(result.file, "p").data == SECRET
    assert result.elements == open_cover(carrier).elements.size
    before, after = (np.asarray(Image.open(io.BytesIO(r)), float) for r in (carrier, result.file))
    assert result.psnr > 45 and 10 * np.log10(255**2 / ((before - after) ** 2).mean()) > 40


def test_costs_of_the_other_kind_are_refused(carrier, photo):
    with pytest.raises(deephide.InputImageError, match="hill has no costs"):
        hide(carrier, cost="hill")
    with pytest.raises(deephide.InputImageError, match="juniward has no costs"):
        hide(photo, cost="juniward")
    with pytest.raises(ValueError, match="cost: got 'best'"):
        hide(carrier, cost="best")


def test_a_face_travels_in_a_jpeg_too(carrier, face, model):
    result = deephide.embed(face, carrier, "p", model)
    found = deephide.extract(result.file, "p", model)
    assert result.codec == "latent"
    assert np.array_equal(np.asarray(found.image), np.asarray(result.preview))


def test_all_metadata_stays(tmp_path, jpegs, cheap_kdf):
    raw = jpegs.with_metadata(
        jpegs.encoded(jpegs.photo(96, 120), quality=90, icc_profile=jpegs.profile())
    )
    (tmp_path / "photo.jpg").write_bytes(raw)
    deephide.embed_file(SECRET, tmp_path / "photo.jpg", tmp_path / "stego.jpg", "p", codec="file")
    stego = (tmp_path / "stego.jpg").read_bytes()
    scan = segments.parse(raw).scans[0]
    assert stego[: scan.start] == raw[: scan.start]
    assert stego.endswith(raw[scan.end :])
    assert stego != raw and deephide.extract(tmp_path / "stego.jpg", "p").data == SECRET
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg", "stego.jpg"]
    deephide.embed_file(
        SECRET, tmp_path / "photo.jpg", tmp_path / "bare.jpg", "p", codec="file",
        strip_metadata=True,
    )  # fmt: skip
    assert b"a comment" not in (tmp_path / "bare.jpg").read_bytes()
    assert deephide.extract(tmp_path / "bare.jpg", "p").data == SECRET


def places_of_every_kind(cover):
    """Return places of coefficients: in each zone, in each component, DC, AC and zeros."""
    zones = Zones(cover.elements.size)
    public = public_zone(zones).places()
    rng, ends = np.random.default_rng(4), np.cumsum([p.size for p in cover.coefficients.planes()])
    others = np.setdiff1d(np.arange(cover.elements.size), public)
    kinds = [
        public,
        others,
        *np.split(np.arange(cover.elements.size), ends[:-1]),
        others[others % 64 == 0],
        others[(others % 64 > 0) & (cover.elements[others] != 0)],
        others[cover.elements[others] == 0],
    ]
    return {int(place) for kind in kinds for place in rng.choice(kind, 12, replace=False)}


def test_a_changed_coefficient_wherever_it_is_ends_in_the_one_error(carrier, cheap_kdf):
    cover = open_cover(hide(carrier).file)
    for place in places_of_every_kind(cover):
        elements = cover.elements.copy()
        elements[place] += -1 if elements[place] > 0 else 1
        with pytest.raises(deephide.ExtractionError) as caught:
            deephide.extract(cover.encode(elements), "p")
        assert str(caught.value) == str(deephide.ExtractionError())


@pytest.mark.parametrize("how", ["saved again", "as samples", "resized"])
def test_altered_stegos_hold_nothing(carrier, how, cheap_kdf):
    result = hide(carrier)
    if how == "as samples":
        altered = result.stego
    else:
        picture = result.stego if how == "saved again" else result.stego.resize((130, 100))
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=90 if how == "resized" else 85)
        altered = buffer.getvalue()
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(altered, "p")
    assert deephide.extract(result.file, "p").data == SECRET


def test_what_keeps_coefficients_keeps_the_message(carrier, jpegs, cheap_kdf):
    result = hide(carrier)
    assert deephide.extract(jpegs.with_metadata(result.file), "p").data == SECRET


REFUSED = {
    "arithmetic": (lambda j, raw: j.patched(raw, 0, 0xC9), "arithmetically coded"),
    "lossless": (lambda j, raw: j.patched(raw, 0, 0xC3), "losslessly coded"),
    "hierarchical": (lambda j, raw: j.patched(raw, 0, 0xC5), "hierarchical"),
    "12 bits": (lambda j, raw: j.patched(raw, 3, 12), "12 bits per sample"),
    "cmyk": (lambda j, raw: j.encoded(j.photo(64, 64), "CMYK"), "CMYK or YCCK"),
    "late height": (lambda j, raw: j.patched(j.patched(raw, 4, 0), 5, 0), "defined late"),
    "too many pixels": (
        lambda j, raw: j.patched(j.patched(raw, 4, 255), 6, 255),
        r"too many pixels \(65",
    ),
    "tiny": (lambda j, raw: j.encoded(j.photo(16, 16), quality=90), "too small"),
    "truncated": (lambda j, raw: raw[: len(raw) // 2], "truncated or damaged"),
    "no frame": (lambda j, raw: raw[:2] + b"\xff\xd9", "truncated or damaged"),
    "damaged": (lambda j, raw: raw[:-200] + b"\xff\xd0" + raw[-198:], "truncated or damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_a_carrier_is_refused_by_name(tmp_path, jpegs, carrier, name, monkeypatch):
    make, message = REFUSED[name]
    if "damaged" not in message:  # the header is enough
        monkeypatch.setattr("deephide.formats.jpeg.coder.decode", None)
    path = tmp_path / "photo.jpg"
    path.write_bytes(make(jpegs, carrier))
    with pytest.raises(deephide.InputImageError, match=message) as caught:
        deephide.embed_file(SECRET, path, tmp_path / "stego.jpg", "p", codec="file")
    assert str(caught.value).startswith("the carrier ")
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]


def test_a_tiny_stego_is_the_one_error(jpegs):
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(jpegs.encoded(jpegs.photo(16, 16)), "p")


def test_flat_pictures_hold_nothing_and_small_ones_little(jpegs, cheap_kdf):
    flat = jpegs.encoded(np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(deephide.CapacityError):
        hide(flat)
    assert deephide.capacity(flat).hard_bits == deephide.capacity(flat).safe_bits == 0
    small = jpegs.encoded(jpegs.photo(40, 56), quality=95, subsampling=0)
    assert deephide.extract(hide(small, b"yes").file, "p").data == b"yes"
    with pytest.raises(deephide.CapacityError):
        hide(small, np.random.default_rng(1).bytes(2000))


def test_huge_coefficients_stay_in_their_range(jpegs, cheap_kdf):
    """Steps of 1 and black and white cells: coefficients up to 1016, some set to the limits."""
    rng = np.random.default_rng(3)
    cells = (rng.integers(0, 2, (16, 20, 1)) * 255).repeat(8, 0).repeat(8, 1).repeat(3, 2)
    cells ^= rng.integers(0, 2, cells.shape) * 255
    raw = jpegs.encoded(cells.astype(np.uint8), quality=100, subsampling=0)
    cover = open_cover(raw)
    elements = cover.elements.copy()
    elements[1::64], elements[2::64], elements[3::64] = 1023, -1023, 1200
    elements[0::64] = np.where(np.arange(elements[0::64].size) % 2, 1023, -1023)
    raw = cover.encode(elements)
    up, down = open_cover(raw).costs("juniward", 0)
    assert np.isinf(up[1::64]).all() and np.isfinite(down[1::64]).all()
    assert np.isfinite(up[2::64]).all() and np.isinf(down[2::64]).all()
    assert np.isinf(up[3::64]).all() and np.isinf(down[3::64]).all()
    result = hide(raw, bytes(range(250)))
    after = open_cover(result.file).elements
    assert (after[elements == 1200] == 1200).all()
    assert np.abs(after[elements != 1200]).max() == 1023
    assert deephide.extract(result.file, "p").data == bytes(range(250))


def test_flat_blocks_are_left_alone(jpegs, cheap_kdf):
    samples = jpegs.photo(128, 128)
    samples[:, :64] = 200
    raw = jpegs.encoded(samples, quality=92, subsampling=0)
    before = open_cover(raw)
    after = open_cover(hide(raw, bytes(200)).file)
    for old, new in zip(before.coefficients.planes(), after.coefficients.planes(), strict=True):
        flat = ~(old.reshape(16, 16, 64)[:, :, 1:] != 0).any(axis=2)
        assert flat.sum() >= 100 and np.array_equal(old[flat], new[flat])


def test_content_credentials_are_warned_of_and_can_go(tmp_path, jpegs, cheap_kdf):
    raw = jpegs.encoded(jpegs.photo(96, 120), quality=90)
    signed = raw[:2] + jpegs.segment(0xEB, b"JP\0\1\0\0\0\1jumb c2pa.manifest") + raw[2:]
    (tmp_path / "a.jpg").write_bytes(signed)
    told = {}
    for strip in (False, True):
        found = deephide.embed_file(
            SECRET, tmp_path / "a.jpg", tmp_path / "b.jpg", "p", codec="file", force=True,
            strip_metadata=strip,
        )  # fmt: skip
        told[strip] = [note for note in found.warnings if "credentials" in note]
        assert (b"c2pa" in (tmp_path / "b.jpg").read_bytes()) == (not strip)
    assert len(told[False]) == 1 and "--strip-metadata" in told[False][0]
    assert not any("credentials" in note for note in hide(raw).warnings)


def test_capacity_and_warnings(jpegs):
    found = deephide.capacity(jpegs.encoded(jpegs.photo(256, 256), quality=92))
    assert 0 < found.safe_bits < found.hard_bits < found.elements
    assert found.safe_change_rate < 0.01 and 0.4 < found.detector_error <= 0.5
    rougher = deephide.capacity(jpegs.encoded(jpegs.photo(256, 256), quality=75))
    assert rougher.safe_bits < found.safe_bits
    assert any("few details" in note for note in deephide.capacity(
        jpegs.encoded(jpegs.photo(64, 64), quality=80)).warnings)  # fmt: skip
    flat = np.full((400, 400, 3), 90, np.uint8)
    flat[:30, :30] = jpegs.photo(30, 30)
    assert any("perfectly flat" in each.text for each in open_cover(jpegs.encoded(flat)).signs)


@pytest.mark.parametrize(("carrier_name", "output"), [("a.jpg", "b.png"), ("a.png", "b.jpg")])
def test_the_output_has_the_kind_of_the_carrier(tmp_path, carrier, photo, carrier_name, output):
    (tmp_path / "a.jpg").write_bytes(carrier)
    photo.save(tmp_path / "a.png")
    with pytest.raises(deephide.OutputError) as caught:
        deephide.embed_file(SECRET, tmp_path / carrier_name, tmp_path / output, "p", codec="file")
    assert f"use b{carrier_name[1:]}" in caught.value.hint


def test_earlier_stegos_of_a_jpeg_are_found(tmp_path, jpegs, carrier, cheap_kdf):
    (tmp_path / "photo.jpg").write_bytes(carrier)
    (tmp_path / "other.jpeg").write_bytes(jpegs.encoded(jpegs.photo(96, 120, seed=9), quality=90))
    (tmp_path / "broken.jpg").write_bytes(carrier[:40])
    options = {"codec": "file", "compare_with": tmp_path}
    first = deephide.embed_file(
        SECRET, tmp_path / "photo.jpg", tmp_path / "one.jpg", "p", **options
    )
    second = deephide.embed_file(
        SECRET, tmp_path / "photo.jpg", tmp_path / "two.jpg", "p", **options
    )
    assert not any("earlier stego" in note for note in first.warnings)
    assert next(n for n in second.warnings if "earlier stego" in n).count("one.jpg") == 1


def test_a_stego_that_cannot_be_read_back_leaves_no_file(tmp_path, carrier, monkeypatch, cheap_kdf):
    (tmp_path / "photo.jpg").write_bytes(carrier)
    monkeypatch.setattr(coder, "replace_coefficients", lambda coefficients, elements: carrier)
    with pytest.raises(deephide.DeephideError, match="failed its own verification"):
        deephide.embed_file(
            SECRET, tmp_path / "photo.jpg", tmp_path / "stego.jpg", "p", codec="file"
        )
    assert [each.name for each in tmp_path.iterdir()] == ["photo.jpg"]


def test_png_carriers_do_not_load_what_reads_other_files():
    code = (
        "import sys, numpy as np, deephide\nfrom PIL import Image\n"
        "deephide.capacity(Image.fromarray(np.arange(9216).astype('u1').reshape(96, 96)))\n"
        "others = 'deephide.formats.jpeg.coder', 'deephide.formats.tiff.file', 'jpeglib'\n"
        "print([n for n in sys.modules if n in others])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_pictures_in_memory_are_taken_for_their_samples(carrier):
    cover = open_cover(Image.open(io.BytesIO(carrier)))
    assert isinstance(cover, SampleCover) and cover.shape == (120, 96, 3)
