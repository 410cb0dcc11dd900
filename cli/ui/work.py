"""Jobs of the page in terms of `deephide`: the same calls as the commands make."""

from __future__ import annotations

import dataclasses
import io
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.encoding import arguments
from cli.reports import open_to_all
from cli.ui.files import Files
from cli.ui.jobs import Event, Send
from deephide.errors import InputImageError, PassphraseError
from deephide.formats.refusals import too_long

if TYPE_CHECKING:
    from PIL import Image

    from deephide import EmbedResult
    from deephide.models import ModelSource

__all__ = ["ROLES", "Desk", "EmbedOrder", "ExtractOrder", "limit_of"]

VIEW_SIDE = 1200
PNG = "image/png"


@dataclass(frozen=True)
class EmbedOrder:
    """Request of the page to hide something; files by their names in `Files`.

    `name` is the secret's on the user's disk, and travels with a file.
    """

    secret: str
    carrier: str
    passphrase: str = field(default="", repr=False)
    again: str = field(default="", repr=False)
    name: str = ""
    codec: str = "auto"
    channel: str = ""
    pad: bool = False
    strip_metadata: bool = False


@dataclass(frozen=True)
class ExtractOrder:
    """Request of the page to extract what is hidden."""

    stego: str
    passphrase: str = field(default="", repr=False)


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
        from deephide.formats.images import load_image

        return self._view(load_image(data))

    def _look_at_carrier(self, data: bytes) -> Event:
        import deephide
        from deephide.formats.images import load_image

        found = deephide.capacity(data, model=self._model)
        return {
            **self._view(load_image(data, "carrier")),
            "safe_bytes": found.safe_bytes,
            "fit": dataclasses.asdict(found.fit),
            "warnings": found.warnings,
        }

    def _look_at_stego(self, data: bytes) -> Event:
        from deephide.covers.sample_files import HINT
        from deephide.formats.images import load_image

        return self._view(load_image(data, "stego", HINT))

    def _look_at_file(self, data: bytes) -> Event:
        return {"bytes": len(data)}

    def embed(self, order: EmbedOrder, send: Send) -> Event:
        """Hide something, and keep the stego and pictures of what happened.

        Raises
        ------
        DeephideError : as `deephide.embed_file`, the passphrases differ, an upload was dropped
        """
        if order.passphrase != order.again:
            raise PassphraseError("the two passphrases differ", hint="try again")
        secret = self._files.get(order.secret).data
        cover = self._files.get(order.carrier).data
        import deephide
        from deephide.covers.opening import safe_suffixes

        def progress(done: int, total: int) -> None:
            if done < total:
                send({"stage": deephide.STAGES[done], "done": done, "total": total})
            if done == 0 and not deephide.is_compiled():
                send({"note": "compiling the coder, once on this machine: this takes some seconds"})

        suffix = ".jpg" if order.channel else safe_suffixes(cover)[0]
        # The one thing that touches a disk is what may be seen by everybody.
        with tempfile.TemporaryDirectory(prefix="deephide-ui-") as folder:
            destination = Path(folder) / f"stego{suffix}"
            options = deephide.EmbedOptions(
                passphrase=order.passphrase or None,
                model=self._model,
                name=order.name,
                codec=order.codec,
                channel=order.channel or None,
                pad=order.pad,
            )
            result = deephide.embed_file(
                secret,
                cover,
                destination,
                progress=progress,
                strip_metadata=order.strip_metadata,
                **arguments(options),
            )
            stego = destination.read_bytes()
        open_doors = () if order.passphrase else (open_to_all(order.codec),)
        return {
            "suffix": suffix,
            "warnings": (*open_doors, *result.warnings),
            **self._show(cover, stego, result),
            **_figures(result),
        }

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
        data = self._files.get(order.stego).data
        import deephide

        send({"stage": "extracting"})
        found = deephide.extract(data, order.passphrase or None, self._model)
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
    "stego": Desk._look_at_stego,
}


def limit_of(role: str) -> int:
    """Return the bytes that an upload may have, the same as for the commands."""
    from deephide.codecs import file
    from deephide.formats import files

    return file.MAX_FILE_BYTES if role == "file" else files.MAX_FILE_BYTES


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
        "survived": 0 if result.channel is None else len(result.channel.survived),
    }
