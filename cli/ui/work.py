"""Jobs of the page in terms of `deephide`: the same calls as the commands make."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.encoding import arguments
from cli.reports import open_to_all
from cli.ui.files import Files
from cli.ui.jobs import Event, Send
from cli.ui.orders import EmbedOrder, ExtractOrder, PreviewOrder, keys_of, square_of
from cli.ui.words import plainly
from deephide.errors import CheckpointError, InputImageError
from deephide.formats.refusals import too_long

if TYPE_CHECKING:
    from PIL import Image

    from deephide import EmbedOptions, EmbedResult
    from deephide.models import ModelSource
    from deephide.previews import Previewer

__all__ = ["ROLES", "Desk", "limit_of"]

VIEW_SIDE = 1200
PNG = "image/png"
# What is to survive these is hidden in another way, and another number of bytes is safe.
CHANNELS = ("any", "strong")


class Desk:
    """Where the jobs of the page are done.

    Parameters
    ----------
    files : what was uploaded, and where results go
    model : as for `deephide.embed`
    """

    def __init__(self, files: Files, model: ModelSource = None) -> None:
        self._files = files
        self._model = model
        self._previewer: Previewer | None = None

    def look_at(self, role: str, data: bytes, size: int) -> Event:
        """Keep an upload and say what it is.

        Parameters
        ----------
        role : one of ROLES
        data : the file, or nothing of it if it is longer than `limit_of` the role
        size : of the file in bytes

        Raises
        ------
        DeephideError : it cannot be used as this
        """
        word = "secret" if role == "file" else role
        if not size:
            raise InputImageError(f"the {word} is an empty file")
        if size > limit_of(role):
            raise too_long(word, size, limit_of(role))
        return {"file": self._files.put(data), **ROLES[role](self, data)}

    def _look_at_secret(self, data: bytes) -> Event:
        from deephide.codecs.squares import Square, squares
        from deephide.formats.images import load_image

        image = load_image(data)
        found: tuple[Square, ...] = ()
        with suppress(CheckpointError):  # without a detector the square is drawn by hand
            found = squares(image)
        return {**self._view(image), "faces": [dataclasses.asdict(each) for each in found]}

    def _look_at_carrier(self, data: bytes) -> Event:
        import deephide
        from deephide.formats.images import load_image

        found = deephide.capacity(data, model=self._model)
        return {
            **self._view(load_image(data, "carrier")),
            "safe_bytes": found.safe_bytes,
            "channels": {
                each: deephide.capacity(data, model=self._model, channel=each).safe_bytes
                for each in CHANNELS
            },
            "fit": dataclasses.asdict(found.fit),
            "warnings": found.warnings,
        }

    def _look_at_stego(self, data: bytes) -> Event:
        from deephide.covers.sample_files import HINT
        from deephide.formats.images import load_image

        return self._view(load_image(data, "stego", HINT))

    def _look_at_file(self, data: bytes) -> Event:
        return {"bytes": len(data)}

    def preview(self, order: PreviewOrder, send: Send) -> Event:
        """Show what the receiver would see, and what it would take.

        Raises
        ------
        DeephideError : as `deephide.embed`, or the upload was dropped
        """
        from deephide.formats.images import load_image
        from deephide.previews import Previewer

        send({"stage": "inverting"})
        if self._previewer is None:
            self._previewer = Previewer(self._model)
        secret = self._cut_out(order.secret, order.square)
        found = self._previewer.show(secret, order.codec, order.safe_bytes, order.step or None)
        return {
            **self._view(found.image),
            "cut": self._view(load_image(secret)),
            "codec": found.codec,
            "reason": plainly(found.codec, found.reason),
            "sizes": found.sizes,
            "step": found.step,
            "takes": found.takes,
            "options": found.options,
        }

    def _cut_out(self, name: str, square: str) -> bytes:
        """Return the file of a secret, or of the square of it that an order names."""
        from deephide.codecs.squares import cut_square
        from deephide.formats.images import load_image
        from deephide.output import png_bytes

        data = self._files.get(name).data
        wanted = square_of(square)
        return data if wanted is None else png_bytes(cut_square(load_image(data), wanted))

    def embed(self, order: EmbedOrder, send: Send) -> Event:
        """Hide something, and keep the stego and pictures of what happened.

        Raises
        ------
        DeephideError : as `deephide.embed_file`, the passphrases differ, an upload was dropped
        """
        keys = keys_of(order, self._files)
        secret = self._cut_out(order.secret, order.square)
        covers = [self._files.get(each).data for each in order.carrier.split() or [""]]
        import deephide
        from deephide.formats.images import load_image

        def progress(done: int, total: int) -> None:
            if done < total:
                send({"stage": deephide.STAGES[done], "done": done, "total": total})
            if done == 0 and not deephide.is_compiled():
                send({"note": "compiling the coder, once on this machine: this takes some seconds"})

        options = deephide.EmbedOptions(
            **keys,
            model=self._model,
            name=order.name,
            codec=order.codec,
            quality=order.quality or None,
            budget=order.budget or None,
            face=None,
            channel=order.channel or None,
            pad=order.pad,
        )
        photos = [
            {
                "suffix": suffix,
                "warnings": result.warnings,
                **self._show(cover, stego, result),
                **_figures(result),
            }
            for cover, (result, stego, suffix) in zip(
                covers, _embed(secret, covers, options, order, progress), strict=True
            )
        ]
        if photos[0]["preview"] is not None:
            photos[0]["cut"] = self._view(load_image(secret))
        open_doors = () if any(keys.values()) else (open_to_all(order.codec),)
        warnings = dict.fromkeys(text for each in photos for text in each["warnings"])
        return {**photos[0], "photos": photos, "warnings": (*open_doors, *warnings)}

    def _show(self, cover: bytes, stego: bytes, result: EmbedResult) -> Event:
        from deephide import views
        from deephide.formats.images import load_image

        # For a channel, the program made a JPEG file first: that is what was changed.
        covered = cover if result.channel is None else result.channel.cover
        before = load_image(covered, "carrier")
        after = load_image(stego, "stego")
        changes = views.differences(before, after, VIEW_SIDE)
        return {
            "stego": self._files.put(stego),
            "shown": self._view(after),
            "changed": self._view(changes),
            "preview": self._view(result.preview) if result.preview is not None else None,
        }

    def extract(self, order: ExtractOrder, send: Send) -> Event:
        """Get back what is hidden in a stego.

        Raises
        ------
        DeephideError : as `deephide.extract`, or the upload was dropped
        """
        stegos = [self._files.get(each).data for each in order.stego.split() or [""]]
        key_file, identity = (
            self._files.get(each).data if each else None
            for each in (order.key_file, order.identity)
        )
        import deephide

        send({"stage": "extracting"})
        found = deephide.extract(
            stegos,
            order.passphrase or None,
            self._model,
            key_file=key_file,
            identity=identity,
        )
        shown = self._view(found.image) if found.image is not None else None
        return {
            "found": self._files.put(found.file),
            "shown": shown,
            "bytes": len(found.file),
            "name": found.name,
            "save_as": found.usual_name,
            "codec": found.info.codec,
            "model": found.info.model,
        }

    def _view(self, picture: Image.Image) -> Event:
        from deephide import views

        stream = io.BytesIO()
        views.small_copy(picture, VIEW_SIDE).save(stream, "PNG", compress_level=1)
        name = self._files.put(stream.getvalue(), PNG)
        return {"picture": name, "width": picture.width, "height": picture.height}


ROLES: dict[str, Callable[[Desk, bytes], Event]] = {
    "secret": Desk._look_at_secret,
    "carrier": Desk._look_at_carrier,
    "file": Desk._look_at_file,
    "key": Desk._look_at_file,
    "stego": Desk._look_at_stego,
}


def limit_of(role: str) -> int:
    """Return the bytes that an upload may have, the same as for the commands."""
    from deephide.codecs import file
    from deephide.container import key_files
    from deephide.formats import files

    if role == "key":
        return key_files.MAX_KEY_FILE
    return file.MAX_FILE_BYTES if role == "file" else files.MAX_FILE_BYTES


def _embed(
    secret: bytes,
    covers: list[bytes],
    options: EmbedOptions,
    order: EmbedOrder,
    progress: Callable[[int, int], None],
) -> list[tuple[EmbedResult, bytes, str]]:
    """Return of each photo the result, the stego's file, and what its name ends in."""
    import deephide
    from deephide.covers.opening import safe_suffixes
    from deephide.naming import stego_names

    chosen = arguments(options)
    more: dict[str, Any] = {"strip_metadata": order.strip_metadata, "progress": progress}
    # The one thing that touches a disk is what may be seen by everybody.
    with tempfile.TemporaryDirectory(prefix="deephide-ui-") as folder:
        if len(covers) == 1:
            suffix = ".jpg" if options.channel else safe_suffixes(covers[0])[0]
            places = [Path(folder, f"photo{suffix}")]
            results = [deephide.embed_file(secret, covers[0], places[0], **more, **chosen)]
        else:
            needed = order.needed or None
            places = [Path(folder, name) for name in stego_names(covers, options)]
            found = deephide.embed_files(secret, covers, folder, needed=needed, **more, **chosen)
            results = list(found)
        files = [each.read_bytes() for each in places]
    suffixes = [each.suffix for each in places]
    return list(zip(results, files, suffixes, strict=True))


def _figures(result: EmbedResult) -> dict[str, Any]:
    return {
        "payload_bits": result.payload_bits,
        "safe_bits": result.safe_bits,
        "elements": result.elements,
        "element_name": result.element_name,
        "changes": result.changes,
        "change_rate": result.change_rate,
        "psnr": result.psnr,
        "secret_psnr": result.secret_psnr,
        "detector_error": result.detector_error,
        "codec": result.codec,
        "reason": result.reason,
        "plainly": plainly(result.codec, result.reason),
        "survived": 0 if result.channel is None else len(result.channel.survived),
    }
