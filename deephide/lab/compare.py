"""Figures 10 and 11 of the paper for any secret and carrier, as one self-contained page."""

from __future__ import annotations

import base64
import secrets
import tempfile
from dataclasses import dataclass
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide import api, inference
from deephide.codecs.faces import load_square, subject
from deephide.covers.opening import safe_suffixes
from deephide.errors import MissingExtraError
from deephide.formats.files import ImageSource
from deephide.formats.images import load_image
from deephide.lab import deep_hiding
from deephide.lab.attacks import ATTACKS
from deephide.lab.quality import psnr, ssim
from deephide.models import LazyModel, ModelSource
from deephide.output import png_bytes
from deephide.views import differences

__all__ = ["CHANGES", "Comparison", "check_page", "compare", "page"]

CHANGES = "what changed, white on black"
_LARGEST = 4096  # pixels of the longer side of the map of changes
_TEMPLATE = "comparison.html"
_NAMES = {"udh": "Universal deep hiding", "ddh": "Dependent deep hiding"}

Samples = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Comparison:
    """What one method makes of the secret and the cover: images and figures by title."""

    method: str
    images: dict[str, Image.Image]
    figures: dict[str, str]


def check_page() -> None:
    """Raise MissingExtraError unless Jinja2 is there."""
    if find_spec("jinja2") is None:
        raise MissingExtraError("the page", "Jinja2", "lab")


def compare(
    secret: ImageSource,
    carrier: ImageSource,
    model: ModelSource = None,
    *,
    cost: str = "auto",
    codec: str = "auto",
    networks: tuple[Path, ...] = (),
) -> list[Comparison]:
    """Hide a secret in a carrier with every method, and find it again.

    Parameters
    ----------
    secret, carrier, model, cost, codec : as in `deephide.embed`; the key is thrown away
    networks : files of `deep_hiding.save`

    Returns
    -------
    comparisons : ours first

    Raises
    ------
    DeephideError : as `deephide.embed`, or networks that cannot be loaded
    """
    rivals = [deep_hiding.load(path) for path in networks]
    face = load_square(secret)
    cover = _pixels(carrier)
    ours = _ours(secret, face, carrier, cover, LazyModel.of(model), cost, codec)
    return [ours, *(_theirs(each, face, cover) for each in rivals)]


def page(comparisons: list[Comparison]) -> str:
    """Return the HTML page, images included.

    Parameters
    ----------
    comparisons : what `compare` returned
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_url"] = _data_url
    template = resources.files("deephide.lab").joinpath(_TEMPLATE).read_text(encoding="utf-8")
    return environment.from_string(template).render(comparisons=comparisons)


def _data_url(image: Image.Image) -> str:
    return "data:image/png;base64," + base64.b64encode(png_bytes(image)).decode()


def _pixels(source: ImageSource) -> Samples:
    return np.asarray(load_image(source))


def _ours(
    secret: ImageSource,
    face: Image.Image,
    carrier: ImageSource,
    cover: Samples,
    model: LazyModel,
    cost: str,
    codec: str,
) -> Comparison:
    key = secrets.token_hex()
    with tempfile.TemporaryDirectory(prefix="deephide-") as folder:
        path = Path(folder) / f"stego{safe_suffixes(carrier)[0]}"
        result = api.embed_file(secret, carrier, path, key, model, cost, codec)
        stego, recovered = _pixels(path), api.extract(path, key, model).image
    if result.cut_out and (cut := subject(load_image(secret), model.load().image_size)):
        face = cut.image
    images = {"secret": face}
    if result.model is not None:
        loaded = model.load()
        images["inversion"] = inference.generate(loaded, inference.invert(loaded, face))
    facts = {
        "codec": result.codec,
        "hidden, everything included": f"{result.payload_bits} bits",
        "bits per sample": f"{result.alpha:.4f}",
        "changed samples": f"{result.changes} ({100 * result.change_rate:.3f} %)",
        "this cover holds safely": f"{result.safe_bits} bits",
    }
    return _comparison("deephide", images, cover, stego, recovered, facts)


def _theirs(networks: deep_hiding.DeepHider, face: Image.Image, cover: Samples) -> Comparison:
    # The networks halve and double the size.
    height, width = (length // 2 * 2 for length in cover.shape[:2])
    cover = np.ascontiguousarray(cover[:height, :width])
    secret = face.resize((width, height), Image.Resampling.BICUBIC)
    stego = networks.hide(cover, np.asarray(secret))
    recovered = Image.fromarray(networks.reveal(stego)).resize(face.size, Image.Resampling.BICUBIC)
    changes = np.count_nonzero(stego != cover)
    facts = {
        "key": "none: the network alone shows the secret",
        "changed samples": f"{changes} ({100 * changes / cover.size:.1f} %)",
    }
    return _comparison(_NAMES[networks.kind], {"secret": face}, cover, stego, recovered, facts)


def _comparison(
    method: str,
    images: dict[str, Image.Image],
    cover: Samples,
    stego: Samples,
    recovered: Image.Image | None,
    facts: dict[str, str],
) -> Comparison:
    before, after = Image.fromarray(cover), Image.fromarray(stego)
    changed = differences(before, after, _LARGEST)
    shown = images | {"cover": before, "stego": after, CHANGES: changed}
    likeness = {"stego and cover": _likeness(cover, stego)}
    if recovered is not None:
        shown["recovered"] = recovered
        secret = images["secret"].resize(recovered.size, Image.Resampling.LANCZOS)
        likeness["recovered and secret"] = _likeness(np.asarray(secret), np.asarray(recovered))
    green = [np.ascontiguousarray(side[:, :, 1]) for side in (cover, stego)]
    estimates = {
        f"{name.upper()} estimate, green": " → ".join(f"{attack(side):.4f}" for side in green)
        for name, attack in ATTACKS.items()
        if name != "chi2"  # no estimate
    }
    return Comparison(method, shown, facts | likeness | estimates)


def _likeness(one: Samples, two: Samples) -> str:
    return f"{psnr(one, two):.1f} dB, SSIM {ssim(one, two):.4f}"
