"""Coefficients out of files and into them, against libjpeg and byte by byte."""

import io
import struct

import jpeglib
import numpy as np
import pytest
from PIL import Image

from deephide.covers import jpeg as jpeg_cover
from deephide.errors import InputImageError
from deephide.formats.jpeg import coder, huffman, segments
from deephide.formats.jpeg.blocks import Coefficients
from deephide.formats.jpeg.metadata import without_metadata


def segments_outside_scans(raw):
    """What a file says besides entropy-coded data and Huffman tables; a walk of its own."""
    out, at = [], 2
    while raw[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(raw[at + 2 : at + 4], "big")
        if raw[at + 1] != 0xC4:
            out.append(raw[at:end])
        if raw[at + 1] == 0xDA:
            while raw[end] != 0xFF or raw[end + 1] in (0, *range(0xD0, 0xD8)):
                end += 1
        at = end
    return [*out, raw[at:]]


def huffman_segments(raw):
    file = segments.parse(raw)
    return [(table.slot, table.counts, table.symbols) for table in file.tables]


def by_libjpeg(raw, tmp_path):
    path = tmp_path / "any.jpg"
    path.write_bytes(raw)
    found = jpeglib.read_dct(str(path))
    return [plane for plane in (found.Y, found.Cb, found.Cr) if plane is not None]


def changed(elements, share=0.02, seed=1):
    rng = np.random.default_rng(seed)
    steps = rng.choice([-1, 1], elements.size) * (rng.random(elements.size) < share)
    return (elements + steps).clip(-1023, 1023).astype(np.int16)


@pytest.fixture(params=[(64, 64), (77, 101), (17, 250)], ids=str)
def size(request):
    return request.param


def test_every_kind_is_read_as_libjpeg_reads_it_and_written_as_it_was(jpegs, size, tmp_path):
    for kind, options in jpegs.KINDS.items():
        raw = jpegs.encoded(jpegs.photo(*size), **options)
        cover = jpeg_cover.decode(raw)
        planes = by_libjpeg(raw, tmp_path)
        for ours, theirs in zip(cover.coefficients.planes(), planes, strict=True):
            assert np.array_equal(ours, theirs), kind
        assert cover.encode(cover.elements) == raw, kind
        elements = changed(cover.elements)
        stego = cover.encode(elements)
        assert segments_outside_scans(stego) == segments_outside_scans(raw), kind
        made_for_it = options.get("optimize") or options.get("progressive")
        assert (huffman_segments(stego) == huffman_segments(raw)) == (not made_for_it), kind
        found = np.concatenate([plane.reshape(-1) for plane in by_libjpeg(stego, tmp_path)])
        assert np.array_equal(found, elements), kind
        with Image.open(io.BytesIO(stego)) as image:
            image.load()


@pytest.mark.parametrize("kind", ["optimised", "progressive", "progressive restarts"])
def test_optimised_files_get_the_tables_that_libjpeg_would_make(jpegs, kind, tmp_path):
    """The tables of a stego are those that the rule of libjpeg makes for it."""
    raw = jpegs.encoded(jpegs.photo(72, 96), **jpegs.KINDS[kind])
    cover = jpeg_cover.decode(raw)
    stego = segments.parse(cover.encode(changed(cover.elements)))
    made, fill, _ = coder._examine(coder.decode(stego))
    assert made == set(range(len(stego.tables))) and fill == 1


def packed(coefficients, fill=1):
    """Write all scans with the tables of the file."""
    file = coefficients.file
    data = [
        symbols.pack(coder._scan_codes(scan, file.tables), fill)
        for scan, symbols in zip(file.scans, coder._symbols(coefficients), strict=True)
    ]
    return coder._assemble(file, list(file.tables), data)


def test_zeros_that_fill_the_last_byte_stay_zeros(jpegs):
    filled = 0
    for quality in (80, 81, 82, 83, 84):
        raw = jpegs.encoded(jpegs.photo(64, 72), "L", quality=quality)
        zeros = packed(jpeg_cover.decode(raw).coefficients, 0)
        cover = jpeg_cover.decode(zeros)
        assert cover.encode(cover.elements) == zeros
        filled += zeros != raw
    assert filled >= 3


def test_components_in_scans_of_their_own(jpegs, tmp_path):
    raw = jpegs.encoded(jpegs.photo(41, 83), quality=90, restart_marker_blocks=4)
    coefficients = jpeg_cover.decode(raw).coefficients
    start = coefficients.file.scans[0].start
    header = raw[: start - 14]
    for name, slots in ((1, 0), (2, 0x11), (3, 0x11)):
        header += jpegs.segment(0xDA, bytes((1, name, slots, 0, 63, 0)))
    apart = packed(Coefficients(segments.parse(header + b"\xff\xd9"), coefficients.values))
    cover = jpeg_cover.decode(apart)
    found = np.concatenate([plane.reshape(-1) for plane in by_libjpeg(apart, tmp_path)])
    assert np.array_equal(found, cover.elements)
    assert np.array_equal(cover.elements, coefficients.elements())
    elements = changed(cover.elements)
    stego = cover.encode(elements)
    found = np.concatenate([plane.reshape(-1) for plane in by_libjpeg(stego, tmp_path)])
    assert np.array_equal(found, elements)
    assert segments_outside_scans(stego) == segments_outside_scans(apart)


def test_padding_follows_the_last_block_where_it_copied_it(jpegs):
    raw = jpegs.encoded(jpegs.photo(41, 50), quality=90)  # 4:2:0: an odd number of blocks
    cover = jpeg_cover.decode(raw)
    planes = cover.coefficients.planes()
    elements = cover.elements.copy()
    rows, columns = planes[0].shape[:2]
    elements[np.arange(rows * columns) * 64] += 1
    again = jpeg_cover.decode(cover.encode(elements)).coefficients
    luma = again._padded()[0]
    assert luma.shape[:2] == (6, 8) and (rows, columns) == (6, 7)
    assert np.array_equal(luma[:, 7, 0, 0], luma[:, 6, 0, 0])


def with_another_table(raw):
    """Let two AC symbols of one length change places: the table is not what libjpeg makes."""
    coefficients = jpeg_cover.decode(raw).coefficients
    table = next(each for each in coefficients.file.tables if each.slot >= 4)
    size = next(size for size, count in enumerate(table.counts) if count > 1)
    first = table.start + 17 + sum(table.counts[:size])
    swapped = bytearray(raw)
    swapped[first : first + 2] = raw[first : first + 2][::-1]
    return packed(Coefficients(segments.parse(bytes(swapped)), coefficients.values))


def test_a_foreign_table_stays_until_it_lacks_a_symbol(jpegs, tmp_path, caplog):
    samples = np.full((64, 128, 3), 128, np.uint8)
    samples[:32] = jpegs.photo(32, 128)
    raw = with_another_table(jpegs.encoded(samples, "L", quality=80, optimize=True))
    cover = jpeg_cover.decode(raw)
    place = next(j for j in range(64, 4096) if cover.elements[j] and j % 64)
    elements = cover.elements.copy()
    elements[place] *= -1  # another sign, and the same symbol
    stego = cover.encode(elements)
    assert huffman_segments(stego) == huffman_segments(raw) and len(stego) == len(raw)
    assert not caplog.records
    elements[place] = 1023
    known = segments.parse(raw).tables
    assert not any(symbol & 15 == 10 for each in known if each.slot >= 4 for symbol in each.symbols)
    stego = cover.encode(elements)
    old, new = huffman_segments(raw), huffman_segments(stego)
    assert [slot for slot, *_ in old] == [slot for slot, *_ in new]
    assert [a == b for a, b in zip(old, new, strict=True)] == [slot < 4 for slot, *_ in old]
    assert "lacks a symbol" in caplog.text
    found = by_libjpeg(stego, tmp_path)[0].reshape(-1)
    assert np.array_equal(found, elements)
    assert segments_outside_scans(stego) == segments_outside_scans(raw)


def test_tables_that_are_the_best_are_found_whatever_the_frequencies():
    rng = np.random.default_rng(5)
    for _ in range(20):
        frequencies = rng.integers(0, 2, 256) * rng.integers(1, 5, 256) ** rng.integers(1, 12, 256)
        frequencies[0] = 1
        counts, symbols = huffman.optimal(frequencies)
        table = segments.HuffmanTable(0, counts, symbols, 0, 2)
        codes = huffman.codes(table)
        assert sum(counts) == len(symbols) == np.count_nonzero(frequencies)
        assert (codes[frequencies > 0, 1] > 0).all() and codes[:, 1].max() <= 16
        # Prefix-free, and the code of ones alone is free.
        taken = (2.0 ** -codes[codes[:, 1] > 0, 1].astype(float)).sum()
        assert taken < 1
    # 0..15 in a chain of powers of two: more than 16 bits long before it is cut.
    chain = np.zeros(256, np.int64)
    chain[:30] = 2 ** np.arange(30)
    assert sum(huffman.optimal(chain)[0]) == 30


def test_stripped_files_keep_what_they_look_like(jpegs):
    raw = jpegs.with_metadata(
        jpegs.encoded(jpegs.photo(64, 64), quality=85, icc_profile=jpegs.profile())
    )
    clean = without_metadata(raw)
    assert b"comment" not in clean and b"what follows" not in clean and len(clean) < len(raw) - 500
    before, after = Image.open(io.BytesIO(raw)), Image.open(io.BytesIO(clean))
    assert after.info["icc_profile"] == before.info["icc_profile"]
    assert after.getexif()[0x0112] == before.getexif()[0x0112] == 6
    assert np.array_equal(np.asarray(before), np.asarray(after))
    assert without_metadata(clean) == clean


@pytest.mark.parametrize("kind", ["4:2:0 q90", "progressive", "restarts"])
def test_damage_is_refused_or_read_but_never_crashes(jpegs, kind):
    raw = jpegs.encoded(jpegs.photo(48, 64), **jpegs.KINDS[kind])
    rng = np.random.default_rng(2)
    refused = 0
    for _ in range(300):
        broken = bytearray(raw)
        for at in rng.integers(2, len(raw), rng.integers(1, 4)):
            broken[at] = rng.integers(0, 256)
        try:
            cover = jpeg_cover.decode(bytes(broken[: rng.integers(len(raw) // 2, len(raw) + 1)]))
        except (segments.JpegFormatError, segments.JpegUnsupportedError):
            refused += 1
            continue
        assert cover.elements.size == 64 * sum(
            each.rows * each.columns for each in cover.coefficients.file.components
        )
    assert refused > 200


def test_every_truncation_is_refused(jpegs):
    raw = jpegs.encoded(jpegs.photo(40, 40), quality=80, progressive=True)
    for end in (*range(3, 700, 7), *range(700, len(raw) - 8, 31)):
        with pytest.raises(segments.JpegFormatError):
            jpeg_cover.decode(raw[:end])


def test_a_progressive_file_without_its_last_scan_is_refused(jpegs):
    raw = jpegs.encoded(jpegs.photo(40, 40), quality=80, progressive=True)
    scans = segments.parse(raw).scans
    with pytest.raises(segments.JpegFormatError, match="incomplete"):
        jpeg_cover.decode(raw[: scans[-2].end] + b"\xff\xd9")


def of_several(jpegs, order=">"):
    """Return a file of three images as phones write it, and the two that follow the first."""
    first = jpegs.encoded(jpegs.photo(72, 96), quality=85)
    others = [jpegs.encoded(jpegs.photo(32, 40, seed=k), "L", quality=60) for k in (1, 2)]
    entries = struct.pack(order + "H", 3)
    entries += struct.pack(order + "HHI4s", 0xB000, 7, 4, b"0100")
    entries += struct.pack(order + "HHII", 0xB001, 4, 1, 3)
    entries += struct.pack(order + "HHII", 0xB002, 7, 48, 50) + bytes(4)
    start = b"MM\0*" if order == ">" else b"II*\0"
    head = b"MPF\0" + start + struct.pack(order + "I", 8)
    gain = jpegs.segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0\0\0\0\0")
    size = len(first) + len(gain) + 4 + len(head) + len(entries) + 48
    base = 2 + len(gain) + 8  # the index counts from its own byte order mark
    places = [size, size + len(others[0])]
    table = struct.pack(order + "IIIHH", 0x20030000, size, 0, 0, 0)
    for place, other in zip(places, others, strict=True):
        table += struct.pack(order + "IIIHH", 0, len(other), place - base, 0, 0)
    raw = first[:2] + gain + jpegs.segment(0xE2, head + entries + table) + first[2:]
    assert len(raw) == size
    return raw + b"".join(others) + b"a trailer", others


@pytest.mark.parametrize("order", ["<", ">"])
def test_further_images_stay_and_are_found(jpegs, order):
    raw, others = of_several(jpegs, order)
    cover = jpeg_cover.open_file(raw)
    elements = changed(cover.elements)
    elements[cover.elements > 8] -= 4  # so that the file gets another size
    stego = cover.encode(elements)
    assert len(stego) != len(raw) and stego.endswith(b"".join(others) + b"a trailer")
    for file in (raw, stego):
        with Image.open(io.BytesIO(file)) as shown:
            assert shown.n_frames == 3
            for place, other in enumerate(others, 1):
                shown.seek(place)
                assert np.array_equal(np.asarray(shown), np.asarray(Image.open(io.BytesIO(other))))
    assert cover.encode(cover.elements) == raw
    bare = cover.encode(elements, strip_metadata=True)
    assert b"MPF" not in bare and others[0] not in bare
    assert np.array_equal(jpeg_cover.open_file(bare).elements, elements)


def test_an_index_that_makes_no_sense_stays_as_it_is(jpegs):
    raw, _ = of_several(jpegs)
    at = raw.index(b"MPF\0") + 4
    for damage in (b"XX*\0", b"MM\0*\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\xff\xff"):
        odd = raw[:at] + damage + raw[at + len(damage) :]
        cover = jpeg_cover.open_file(odd)
        stego = cover.encode(changed(cover.elements))
        assert stego[at : at + 60] == odd[at : at + 60]


@pytest.mark.parametrize("progressive", [False, True])
def test_files_that_viewers_open_although_something_is_amiss(jpegs, progressive):
    """No end marker, half of one, bytes between segments and behind the last block."""
    raw = jpegs.encoded(jpegs.photo(72, 96), quality=85, progressive=progressive)
    first = 2 + 2 + int.from_bytes(raw[4:6], "big")
    cases = (
        raw[:-2],
        raw[:-1],
        raw[:first] + b"\0\x11stray" + raw[first:],
        raw[:-2] + b"\0\0\0" + raw[-2:],
        raw[:-2] + b"\x55" + raw[-2:] + b"behind it",
        raw[:first] + b"\xff\xff\xff" + raw[first:],
    )
    want = jpeg_cover.decode(raw).elements
    for case in cases:
        cover = jpeg_cover.open_file(case)
        assert np.array_equal(cover.elements, want)
        assert cover.encode(cover.elements) == case
        elements = changed(cover.elements)
        stego = cover.encode(elements)
        assert np.array_equal(jpeg_cover.open_file(stego, "stego").elements, elements)
        assert cover.render(elements).size == (96, 72)


def test_a_height_that_is_said_again_is_no_obstacle(jpegs):
    raw = jpegs.encoded(jpegs.photo(72, 96), quality=85)
    cover = jpeg_cover.open_file(raw[:-2] + b"\xff\xdc\0\4\0\x48\xff\xd9")
    assert np.array_equal(cover.elements, jpeg_cover.decode(raw).elements)
    with pytest.raises(InputImageError, match="defined late"):
        jpeg_cover.open_file(raw[:-2] + b"\xff\xdc\0\4\0\x49\xff\xd9")


@pytest.mark.parametrize("kind", ["4:2:0 q90", "4:4:4 q75", "gray", "restarts"])
def test_arithmetic_copies_of_a_stego_have_its_elements(jpegs, kind, tmp_path):
    """Made by libjpeg 9; as carriers they are rejected, with the way to convert them."""
    raw = jpegs.encoded(jpegs.photo(72, 96), **jpegs.KINDS[kind])
    want = jpeg_cover.decode(raw).elements
    (tmp_path / "a.jpg").write_bytes(raw)
    before = jpeglib.version.get()
    jpeglib.version.set("9d")
    try:
        jpeglib.read_dct(str(tmp_path / "a.jpg")).write_dct(
            str(tmp_path / "b.jpg"), flags=["+ARITH_CODE"]
        )
    finally:
        jpeglib.version.set(before)
    copy = (tmp_path / "b.jpg").read_bytes()
    assert segments.parse(copy).arithmetic
    assert np.array_equal(jpeg_cover.open_file(copy, "stego").elements, want)
    with pytest.raises(InputImageError, match="arithmetically coded") as caught:
        jpeg_cover.open_file(copy)
    assert "jpegtran" in caught.value.hint
