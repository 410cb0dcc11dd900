"""Faces for the commands of `e2style`: from photos or codes to codes, and back to images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.batch import Item
from cli.options import FaceType, model_option
from deephide.errors import InputImageError

if TYPE_CHECKING:
    from cli.render import Terminal
    from e2style.data.align import Placement
    from e2style.model import InversionModel

__all__ = [
    "Faces",
    "Found",
    "device_option",
    "face_option",
    "face_options",
    "generator_option",
    "one",
    "paste_option",
]


@dataclass(frozen=True)
class Found:
    """Codes of one input, and where its face was.

    `codes` is (N, n, 512); `photo` is the whole photo, None for a file of codes; `placement` is
    None if all of it is the face.
    """

    codes: Any
    names: tuple[str, ...]
    photo: Any = None
    placement: Placement | None = None


class Faces:
    """A model and the way in which faces are handed to it.

    Parameters
    ----------
    model, device : as `e2style.load_model` takes them
    face : "auto", "largest", "none", or a number
    generator : file of what generates images in place of the model's own generator, or None
    terminal : is told which generator that is
    """

    def __init__(
        self,
        model: str | None,
        device: str,
        face: int | str = "auto",
        generator: str | None = None,
        terminal: Terminal | None = None,
    ) -> None:
        from e2style.checkpoints.loading import load_model

        self.model: InversionModel = load_model(model, device)
        self.generating = self.model
        if generator is not None:
            from e2style.applications.second_generator import second_generator

            self.generating, said = second_generator(generator, self.model)
            if terminal is not None:
                terminal.info(said)
        self._face = face
        self._detector: Any = None
        if face != "none":
            self._detector = self._look_for_detector()

    def _look_for_detector(self) -> Any:
        from e2style.data.detect import load_detector
        from e2style.errors import CheckpointError

        try:
            return load_detector()
        except CheckpointError:
            if self._face != "auto":
                raise
        return None

    def aligned(self, photo: Any, name: str) -> tuple[Any, Any]:
        """Return the face of a photo as a square image, and its place there or None.

        Without a detector a model that was trained on images between bars, or on their middle,
        gets them so.

        Raises
        ------
        InputImageError : it is not square, and there is no way to find a face
        DataError : no face, or fewer than asked for
        """
        from e2style.data.align import align, square_of
        from e2style.data.scaling import squared
        from e2style.errors import DataError

        if self._detector is not None:
            number = self._face if isinstance(self._face, int) else None
            try:
                found = align(photo, self._detector, self.model.image_size, number)
                return found.image, found.placement
            except DataError:
                if self._face != "auto" or photo.width != photo.height:
                    raise
        if photo.width != photo.height:
            fit = self.model.config.fit
            if self._detector is None and fit != "stretch":
                return squared(photo, fit), square_of(photo.size, fit)
            raise InputImageError(
                f"{name} is not square ({photo.width} x {photo.height})",
                hint="give aligned faces, or leave out --face none",
            )
        return photo, None

    def read(self, item: Item, stages: int | None = None) -> Found:
        """Return the codes of a file of codes, or of the face in an image.

        Raises
        ------
        InputImageError, DataError : no image, or no face in it
        CheckpointError : codes of another model
        """
        from e2style.checkpoints.codes import load_codes
        from e2style.inference.interface import invert

        if item.path is not None and item.holds_codes:
            found = load_codes(item.path, self.model)
            return Found(found.values, found.names)
        photo = item.photo()
        face, placement = self.aligned(photo, item.name)
        codes = invert(self.model, [face], stages)
        return Found(codes, (item.name,), photo, placement)

    def content(
        self, codes: Any, found: Found, *, as_codes: bool = False, paste_back: bool = False
    ) -> bytes:
        """Content of the file that a command writes of codes (N, n, 512).

        Parameters
        ----------
        codes : what became of `found.codes`
        found : the input
        as_codes : a file of codes, else an image, several side by side
        paste_back : into the photo
        """
        from deephide.output import png_bytes
        from e2style.checkpoints.codes import Codes

        if as_codes:
            names = found.names if len(codes) == len(found.names) else found.names * len(codes)
            return Codes.of(self.model, codes, *names).to_bytes()
        return png_bytes(self.shown(codes, found, paste_back=paste_back))

    def shown(self, codes: Any, found: Found, *, paste_back: bool = False) -> Any:
        """Return one image of codes (N, n, 512), side by side, or put back into the photo."""
        from e2style.data.align import paste
        from e2style.images import side_by_side
        from e2style.inference.interface import generate

        generated = generate(self.generating, codes)
        if paste_back:
            if found.photo is None:
                raise click.UsageError("--paste-back needs a photo, and codes come without one")
            generated = [paste(found.photo, found.placement, face) for face in generated]
        return side_by_side(generated)


face_option = click.option(
    "--face",
    type=FaceType("auto", "largest", "none"),
    default="auto",
    metavar="largest|N|none",
    help="Input: which face of a photo; N counts from 1, the largest first; none takes square "
    "images as they are.  [default: largest, or a square image in which there is none]",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="Advanced: torch device."
)


def face_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --model, --device and --face."""
    return face_option(model_option(device_option(function)))


def paste_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --paste-back."""
    return click.option(
        "--paste-back",
        is_flag=True,
        help="Output: put the face back into the photo that it came from.",
    )(function)


def generator_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --generate-with."""
    return click.option(
        "--generate-with",
        "generator",
        metavar="PATH",
        help="Advanced: another generator of the same shape that generates the images of the "
        "codes, or the offsets that e2style tune wrote.",
    )(function)


def one(path: str, codes: bool = True) -> Item:
    """Return the one input of an option.

    Raises
    ------
    InputImageError : it does not exist, or is a folder
    """
    from cli.batch import items

    if Path(path).is_dir():
        raise InputImageError(f"the input is a folder: {path}")
    found: Sequence[Item] = items([path], codes)
    return found[0]
