"""Frames as one file: a strip, a GIF or a film."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from e2style.errors import ConfigError
from e2style.images import side_by_side

__all__ = ["KINDS", "encode"]

KINDS = (".png", ".gif", ".mp4")


def encode(frames: Sequence[Image.Image], kind: str, rate: float = 12.0) -> bytes:
    """Content of a file that shows frames one after the other.

    Parameters
    ----------
    frames : RGB, all of one size
    kind : ".png", side by side; ".gif", there and back for ever; ".mp4", which needs the package
        imageio-ffmpeg
    rate : frames in a second

    Raises
    ------
    ConfigError : another kind, or what it needs is not installed
    """
    buffer = io.BytesIO()
    if kind == ".png":
        side_by_side(frames).save(buffer, "PNG")
    elif kind == ".gif":
        there_and_back = [*frames, *frames[-2:0:-1]]
        there_and_back[0].save(
            buffer, "GIF", save_all=True, append_images=there_and_back[1:], loop=0,
            duration=round(1000 / rate), disposal=1,
        )  # fmt: skip
    elif kind == ".mp4":
        return _film(frames, rate)
    else:
        raise ConfigError(f"kind: got {kind!r}, allowed are {', '.join(KINDS)}")
    return buffer.getvalue()


def _film(frames: Sequence[Image.Image], rate: float) -> bytes:
    try:
        import imageio_ffmpeg
    except ImportError as error:
        raise ConfigError(
            "an .mp4 file needs imageio-ffmpeg; install the extra: pip install 'deephide[video]', "
            "or write a .gif"
        ) from error

    # H.264 wants even sides.
    width, height = (side - side % 2 for side in frames[0].size)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        writer = imageio_ffmpeg.write_frames(
            str(path), (width, height), fps=rate, quality=8, macro_block_size=1
        )
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(frame.crop((0, 0, width, height))).tobytes())
        writer.close()
        return path.read_bytes()
