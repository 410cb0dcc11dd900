"""A TIFF file as a carrier: its samples, and the same file with other samples.

No tag is interpreted that does not say how samples are laid out, and none is written again: the
new pixel data takes the place of the old one, and of all else only offsets and counts change.
Where new data is longer, what follows moves, if everything in the file is known; where it is not,
the data that does not fit goes to the end and nothing moves.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from deephide.formats.tiff import moving, segments
from deephide.formats.tiff.directories import (
    STRIP_COUNTS,
    STRIP_OFFSETS,
    TILE_COUNTS,
    TILE_OFFSETS,
    Directory,
    Structure,
    TiffFewValuesError,
    TiffFormatError,
    TiffUnsupportedError,
    read,
)
from deephide.formats.tiff.segments import Grid, Layout

__all__ = ["TiffFile", "decode", "parse", "replace_samples", "without_metadata"]

_log = logging.getLogger(__name__)

_NEW_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = 254, 256, 257, 258, 259, 262
FILL_ORDER, _ORIENTATION, SAMPLES, _ROWS, _PLANAR, PREDICTOR = 266, 274, 277, 278, 284, 317
_TILE_WIDTH, _TILE_HEIGHT, _EXTRA, FORMAT = 322, 323, 338, 339
_PROFILE, _DNG = 34675, 50706
_WHITE_IS_ZERO, _PALETTE = 0, 3
_PHOTOMETRIC_NAMES = {
    4: "a TIFF file that holds a mask",
    5: "a CMYK image",
    6: "a TIFF file of YCbCr samples",
    8: "a TIFF file of CIELab samples",
    9: "a TIFF file of CIELab samples",
    10: "a TIFF file of CIELab samples",
    32803: "a raw photo",
    32844: "an HDR image",
    32845: "an HDR image",
    34892: "a raw photo",
}
_CHANNELS = {0: 1, 1: 1, 2: 3}
_MAX_SEGMENTS = 1 << 20
_STUDIED = 4
_BAND_ROWS = 1024
_ASSOCIATED, _UNASSOCIATED = 1, 2


@dataclass(frozen=True, eq=False)
class TiffFile:
    """A TIFF file taken apart.

    `width` and `height` are those of the image set upright, `channels` the colour channels,
    `samples` all of a pixel, of which the one after the colours is opacity if `alpha` is set;
    `spans` has begin and end of each segment; `several` tells that there are further pages.
    """

    structure: Structure = field(repr=False)
    width: int
    height: int
    channels: int
    samples: int
    orientation: int
    inverted: bool
    alpha: bool
    premultiplied: bool
    profile: bytes | None = field(repr=False)
    grid: Grid
    layout: Layout
    spans: tuple[tuple[int, int], ...] = field(repr=False)
    several: bool = False

    @property
    def raw(self) -> bytes:
        """The file."""
        return self.structure.raw


class Tags:
    """The integers of a directory, with the defaults of TIFF 6.0."""

    def __init__(self, structure: Structure, directory: Directory) -> None:
        self._structure, self._directory = structure, directory

    def every(self, tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        """Return all values of a tag."""
        entry = self._directory.find(tag)
        return default if entry is None else self._structure.integers(entry) or default

    def one(self, tag: int, default: int) -> int:
        """Return the first value of a tag."""
        return self.every(tag, (default,))[0]


def parse(raw: bytes) -> TiffFile:
    """Take a TIFF file apart; no pixel data is looked at.

    Raises
    ------
    TiffFormatError : damaged
    TiffUnsupportedError : not of 8-bit gray or RGB samples, or of a kind that cannot be written
    """
    structure = read(raw)
    directory = structure.chain[0]
    tags = Tags(structure, directory)
    if directory.find(_DNG) is not None:
        raise TiffUnsupportedError("a raw photo (DNG)")
    columns, rows = tags.one(WIDTH, 0), tags.one(HEIGHT, 0)
    if not columns or not rows:
        raise TiffFormatError("the image has no size")
    layout = Layout(tags.one(COMPRESSION, 1), tags.one(PREDICTOR, 1), tags.one(FILL_ORDER, 1) == 2)
    channels, samples = _check_samples(tags)
    segments.check(layout)
    if tags.one(_NEW_SUBFILE, 0) & 1:
        raise TiffUnsupportedError("a TIFF file whose first image is a thumbnail")
    grid = grid_of(tags, directory, columns, rows, samples)
    spans = spans_of(tags, directory, grid, layout, len(raw))
    _check_apart(structure, spans)
    orientation = tags.one(_ORIENTATION, 1)
    if not 1 <= orientation <= 8:
        orientation = 1
    width, height = (rows, columns) if orientation > 4 else (columns, rows)
    profile = directory.find(_PROFILE)
    others = (Tags(structure, each) for each in structure.chain[1:])
    return TiffFile(
        structure,
        width,
        height,
        channels,
        samples,
        orientation,
        tags.one(PHOTOMETRIC, 1) == _WHITE_IS_ZERO,
        samples > channels and tags.every(_EXTRA, (_UNASSOCIATED,))[0] != 0,
        samples > channels and tags.every(_EXTRA)[:1] == (_ASSOCIATED,),
        None if profile is None else structure.value(profile),
        grid,
        layout,
        spans,
        # Thumbnails and masks are no pages.
        any(not each.one(_NEW_SUBFILE, 0) & 5 for each in others),
    )


def _check_samples(tags: Tags) -> tuple[int, int]:
    """Return colour channels and samples of a pixel."""
    samples = tags.one(SAMPLES, 1)
    photometric = tags.one(PHOTOMETRIC, 1)
    bits = set(tags.every(BITS, (1,)))
    formats = set(tags.every(FORMAT, (1,)))
    if 3 in formats:
        raise TiffUnsupportedError("an image of floating-point samples")
    if photometric == _PALETTE:
        raise TiffFewValuesError("a palette image")
    if photometric in _PHOTOMETRIC_NAMES:
        raise TiffUnsupportedError(_PHOTOMETRIC_NAMES[photometric])
    if bits == {1}:
        raise TiffFewValuesError("a black-and-white image")
    if bits != {8}:
        deepest = max(bits)
        raise TiffUnsupportedError(
            "a 16-bit image" if deepest == 16 else f"an image of {deepest} bits per sample"
        )
    if not formats <= {1, 4}:
        raise TiffUnsupportedError("a TIFF file of signed samples")
    if photometric not in _CHANNELS:
        raise TiffUnsupportedError(f"a TIFF file of the uncommon colour space {photometric}")
    channels = _CHANNELS[photometric]
    if not channels <= samples <= channels + 8:
        raise TiffFormatError("the samples of a pixel make no sense")
    return channels, samples


def grid_of(tags: Tags, directory: Directory, columns: int, rows: int, samples: int) -> Grid:
    """Return the strips or tiles of an image.

    Raises
    ------
    TiffFormatError : they make no sense
    """
    tiled = directory.find(_TILE_WIDTH) is not None
    across, down = columns, min(tags.one(_ROWS, rows), rows)
    if tiled:
        across, down = tags.one(_TILE_WIDTH, 0), tags.one(_TILE_HEIGHT, 0)
    apart = tags.one(_PLANAR, 1) == 2 and samples > 1
    if not across or not down or across > 2 * columns + 4096 or down > 2 * rows + 4096:
        raise TiffFormatError("the strips or tiles make no sense")
    planes, inside = (samples, 1) if apart else (1, samples)
    grid = Grid(rows, columns, across, down, planes, inside, tiled)
    if grid.count > _MAX_SEGMENTS:
        raise TiffFormatError("there are too many strips or tiles")
    return grid


def spans_of(
    tags: Tags, directory: Directory, grid: Grid, layout: Layout, size: int
) -> tuple[tuple[int, int], ...]:
    """Return begin and end of each strip or tile in a file of `size` bytes.

    Raises
    ------
    TiffFormatError : some are missing
    """
    at, counts = (TILE_OFFSETS, TILE_COUNTS) if grid.tiled else (STRIP_OFFSETS, STRIP_COUNTS)
    if directory.find(at) is None:  # some writers give tiles the tags of strips
        at, counts = STRIP_OFFSETS, STRIP_COUNTS
    places = tags.every(at)
    expected = tuple(grid.rows(j) * grid.row_bytes() for j in range(grid.count))
    if len(places) != grid.count:
        raise TiffFormatError("strips or tiles are missing")
    plain = layout.compression == segments.NONE
    lengths = tags.every(counts, expected if plain else ())
    if len(lengths) != grid.count:
        raise TiffFormatError("the lengths of strips or tiles are missing")
    if plain:  # old writers get these wrong, and readers do without them
        lengths = expected
    spans = tuple((place, place + length) for place, length in zip(places, lengths, strict=True))
    if not all(lengths) or any(begin < 8 or end > size for begin, end in spans):
        raise TiffFormatError("the file ends in the middle")
    return spans


def _check_apart(structure: Structure, spans: tuple[tuple[int, int], ...]) -> None:
    """Reject files whose pieces overlap: to change one would change another."""
    pieces = sorted((*spans, *structure.occupied()))
    own = set(spans)
    for one, two in pairwise(pieces):
        if one[1] > two[0] and (one in own or two in own):
            raise TiffUnsupportedError("a TIFF file whose parts overlap")


def decode(file: TiffFile, *, only_colours: bool = False) -> NDArray[np.uint8]:
    """Return the samples (H, W, S) of the image set upright, white being 255.

    Parameters
    ----------
    file : what `parse` returned
    only_colours : leave out all samples of a pixel but gray, or red, green and blue

    Raises
    ------
    TiffFormatError : the image data is damaged
    TiffUnsupportedError : it is of a kind that cannot be written again
    """
    if only_colours and not file.premultiplied:
        return _upright(file, _stored(file, channels=file.channels))
    array = _upright(file, _stored(file))
    if file.premultiplied and (array[:, :, file.channels] != 255).any():
        raise TiffUnsupportedError("a TIFF file whose colours are multiplied by their opacity")
    return np.ascontiguousarray(array[:, :, : file.channels]) if only_colours else array


def _stored(
    file: TiffFile, plain: list[bytes] | None = None, channels: int | None = None
) -> NDArray[np.uint8]:
    """Return the samples as they are stored, of a pixel the first `channels`, or all.

    The bytes of each segment are appended to `plain`.
    """
    grid, layout = file.grid, file.layout
    channels = file.samples if channels is None else channels
    out = np.empty((grid.height, grid.columns, channels), np.uint8)
    for index, (begin, end) in enumerate(file.spans):
        shape = (grid.rows(index), grid.across, grid.samples)
        size = shape[0] * grid.row_bytes()
        data = segments.unpacked(layout, file.raw[begin:end], size)
        rows = np.frombuffer(data, np.uint8, size).reshape(shape)
        part = part_of(out, grid, index)
        # Band by band: a single strip may be the whole image, and is not copied once more.
        for top in range(0, part.shape[0], _BAND_ROWS):
            band = segments.summed(rows[top : top + _BAND_ROWS], layout)
            into = part[top : top + _BAND_ROWS]
            into[...] = band[: len(into), : part.shape[1], : part.shape[2]]
        if plain is not None:
            plain.append(data)
    return out


def part_of(array: NDArray[np.uint8], grid: Grid, index: int) -> NDArray[np.uint8]:
    """Return the view of the samples that a segment holds."""
    plane, top, left = grid.place(index)
    last = plane + 1 if grid.planes > 1 else None
    first = plane if grid.planes > 1 else 0
    return array[top : top + grid.down, left : left + grid.across, first:last]


def _upright(file: TiffFile, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if file.inverted:
        array = array.copy()
        array[:, :, 0] ^= 255
    return np.ascontiguousarray(_turn(array, file.orientation))


def _turn(array: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Set an image upright that is stored in one of eight ways; 6 and 8 undo one another."""
    if orientation > 4:
        array = array.transpose(1, 0, 2)
    down, across = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(
        orientation, (1, 1)
    )
    return array[::down, ::across]


def replace_samples(file: TiffFile, samples: NDArray[np.uint8]) -> bytes:
    """Return the file with other samples and nothing else changed but offsets and counts.

    Parameters
    ----------
    file : what `parse` returned
    samples : (H, W, C) uint8, upright; samples of a pixel beyond C stay as they are

    Raises
    ------
    TiffFormatError : the image data is damaged, or what came out is not what it should be
    TiffUnsupportedError : there is no room for the new data
    """
    plain: list[bytes] = []
    old = _stored(file, plain)
    full = _upright(file, old).copy()
    full[:, :, : samples.shape[2]] = samples
    if file.inverted:
        full[:, :, 0] ^= 255
    new = _turn(full, {6: 8, 8: 6}.get(file.orientation, file.orientation))
    pieces = _encoded(file, old, new, plain)
    raw = moving.replaced(file.structure, file.spans, pieces)
    written = parse(raw)
    if not np.array_equal(_stored(written), new):
        raise TiffFormatError("the file that was written has other samples than it should")
    moving.compare(file.structure, written.structure)
    return raw


def _encoded(
    file: TiffFile, old: NDArray[np.uint8], new: NDArray[np.uint8], plain: list[bytes]
) -> list[bytes]:
    """Return the new bytes of each segment; what did not change stays as it is."""
    grid, layout = file.grid, file.layout
    row = grid.row_bytes()
    known = [file.raw[begin:end] for begin, end in file.spans]
    few = sorted({0, grid.count // 3, grid.count // 2, grid.count - 1})[:_STUDIED]
    packing = segments.study(layout, [known[j] for j in few], [plain[j] for j in few], row)
    if not packing.exact:
        _log.warning(
            "the program that wrote the TIFF file cannot be imitated: comparing its compressed "
            "data with that program's own shows that the file was written again"
        )
    out = []
    for index, data in enumerate(plain):
        before, after = part_of(old, grid, index), part_of(new, grid, index)
        if np.array_equal(before, after):
            out.append(known[index])
            continue
        shape = (grid.rows(index), grid.across, grid.samples)
        size = shape[0] * row
        rows = segments.summed(np.frombuffer(data, np.uint8, size).reshape(shape), layout).copy()
        rows[: after.shape[0], : after.shape[1]] = after
        changed = segments.difference(rows, layout).tobytes() + data[size:]
        out.append(segments.packed(layout, packing, changed, row))
    return out


def without_metadata(file: TiffFile) -> bytes:
    """Return a file of the same pixel data with those tags alone that say how it looks."""
    structure = file.structure
    return moving.rebuilt(structure, file.spans, _LOOKS)


# Layout of samples, resolution, transfer and colour, orientation, profile.
_LOOKS = frozenset(
    {256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 296, 301, 317, 318, 319}
    | {322, 323, 324, 325, 338, 339, 532, 34675}
)
