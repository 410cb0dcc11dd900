"""Survival of a stego, tried channel by channel, and the page that shows it."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from PIL import Image

from deephide.channels import openings
from deephide.channels.battery import channels_to_try
from deephide.container import keys
from deephide.container.key_files import KeySource, PathSource
from deephide.errors import DeephideError, ExtractionError
from deephide.formats.files import ImageSource, read_source
from deephide.formats.images import SEEN_FORMATS, SEEN_HINT, decode, open_file
from deephide.models import LazyModel, ModelSource

__all__ = ["Survival", "page", "survivals"]


@dataclass(frozen=True)
class Survival:
    """What became of what is hidden in one channel, and the bytes of the file that came out."""

    channel: str
    survived: bool
    file_bytes: int


def survivals(
    stego: ImageSource | bytes,
    passphrase: str | None,
    model: ModelSource,
    key_file: KeySource,
    identity: PathSource | None,
) -> Iterator[Survival]:
    """Yield what becomes of a stego in each channel that can be tried here.

    Parameters
    ----------
    stego, passphrase, model, key_file, identity : as in `deephide.extract`

    Raises
    ------
    DeephideError : as `deephide.extract`, of the stego as it is
    """
    key, plaintext = _opened(stego, passphrase, model, key_file, identity)
    picture = _picture(stego)
    for channel in channels_to_try():
        file = channel.apply(picture)
        survived = False
        with suppress(DeephideError):
            survived = openings.reveal(openings.look_at(file), key) == plaintext
        yield Survival(channel.name, survived, len(file))


def _opened(
    stego: ImageSource | bytes,
    passphrase: str | None,
    model: ModelSource,
    key_file: KeySource,
    identity: PathSource | None,
) -> tuple[keys.SharedKey | keys.Identity, bytes]:
    """Return the key that opens a stego, and what it carries."""
    seen = openings.look_at(stego)
    has_secret = any(each is not None for each in (passphrase, key_file, identity))
    candidates = LazyModel.of(model).candidates()
    for fingerprint in [bytes(32)] if has_secret else [found for found, _ in candidates]:
        key = keys.choose_opener(passphrase, key_file, identity, fingerprint)
        with suppress(ExtractionError):
            return key, openings.reveal(seen, key)
    raise ExtractionError


def _picture(stego: ImageSource | bytes) -> Image.Image:
    if isinstance(stego, Image.Image):
        return stego
    image, _ = open_file(read_source(stego, "stego"), "stego", SEEN_FORMATS, SEEN_HINT)
    decode(image, "stego")
    return image if image.mode == "L" else image.convert("RGB")


def page(name: str, found: list[Survival]) -> str:
    """Return an HTML page that needs nothing else.

    Parameters
    ----------
    name : of the stego
    found : what `survivals` yielded
    """
    rows = "\n".join(
        f"<tr><td>{html.escape(each.channel)}</td>"
        f"<td>{'survives' if each.survived else 'lost'}</td><td>{each.file_bytes}</td></tr>"
        for each in found
    )
    title = f"What {html.escape(name)} survives"
    return (
        "<!doctype html>\n<html lang='en'><meta charset='utf-8'>\n"
        f"<title>{title}</title>\n"
        "<style>body{font:16px sans-serif;margin:2em auto;max-width:40em}"
        "td,th{padding:.2em 1em;text-align:left}</style>\n"
        f"<h1>{title}</h1>\n"
        "<p>Each way was tried by program, on one machine; no real service was.</p>\n"
        f"<table>\n<tr><th>channel</th><th>what is hidden</th><th>bytes</th></tr>\n{rows}\n"
        "</table>\n</html>\n"
    )
