"""Options of how a secret is encoded and what changes cost, for one photo or for many."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import click

from cli.options import FaceType, limit_option, making_options
from cli.passphrase import Secrets
from deephide.codecs.base import CHOICES
from deephide.covers import cost_names

if TYPE_CHECKING:
    from deephide.models import ModelSource
    from deephide.options import EmbedOptions

__all__ = ["arguments", "encoding_options", "keyed"]

Function = Callable[..., Any]


def encoding_options(function: Function) -> Function:
    """Add the options of encoding; the function gets them as `options`, an `EmbedOptions`."""

    @functools.wraps(function)
    def run(
        *args: Any,
        pad: bool,
        codec: str,
        budget: int | None,
        quality: int | None,
        refine: int,
        features: str | None,
        rounding: str | None,
        face: int | str,
        cost: str,
        shrink: str | None,
        quality_jpeg: int | None,
        max_pixels: int | None,
        name: str | None,
        no_name: bool,
        **kwargs: Any,
    ) -> Any:
        _reject_unused(codec, budget, quality, rounding, face)
        _reject_steps(codec, refine, features)
        if name is not None and no_name:
            raise click.UsageError("--name and --no-name exclude one another")
        from deephide.options import EmbedOptions

        options = EmbedOptions(
            pad=pad,
            codec=codec,
            budget=budget,
            quality=quality,
            refine=refine,
            features=features,
            rounding=rounding or "nearest",
            face=None if face == "none" else face,
            cost=cost,
            shrink=shrink,
            quality_jpeg=quality_jpeg,
            max_pixels=max_pixels,
            name="" if no_name else name,
        )
        return function(*args, options=options, **kwargs)

    wrapped: Function = run
    for option in reversed(_OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def keyed(options: EmbedOptions, secrets: Secrets, model: ModelSource) -> EmbedOptions:
    """Return options with the keys and the model that a command was given."""
    return replace(
        options,
        passphrase=secrets.passphrase,
        key_file=secrets.key_file,
        recipients=secrets.recipients,
        model=model,
    )


def arguments(options: EmbedOptions) -> dict[str, Any]:
    """Return options as arguments of `deephide.embed_file`."""
    return {each.name: getattr(options, each.name) for each in fields(options)}


_OPTIONS = (
    click.option(
        "--pad",
        is_flag=True,
        help="Security: fill the payload up to a size class (at most 12 % more), so that the "
        "number of changes says less about its length.",
    ),
    click.option(
        "--codec",
        type=click.Choice(CHOICES),
        default="auto",
        show_default=True,
        help="Input: how the secret travels. latent: a face, as the code of the model; image: any "
        "image, small; file: any bytes; auto: latent for a face that the model generates closely "
        "and the carrier hides safely, else image; paper: nine bits per integer, as in the paper.",
    ),
    click.option(
        "--budget",
        type=click.IntRange(min=1),
        metavar="BYTES",
        help="Input: bytes that an image or a face may take, everything counted that is hidden, in "
        "the highest quality that fits.  "
        "[default: what is safe in the carrier, for an image 200 to 4096; for a face the usual "
        "quality]",
    ),
    click.option(
        "--quality",
        type=click.IntRange(min=1),
        metavar="N",
        help="Input: how finely a face is coded, from 1 for the fewest bytes; how many qualities "
        "there are depends on the model.  [default: the usual one, or what --budget allows]",
    ),
    click.option(
        "--refine",
        type=click.IntRange(min=0),
        default=0,
        metavar="N",
        help="Input: improve a face's code by so many steps of the gradient before it is sent, "
        "which takes a few tenths of a second each, torch, and --features. Five bring most of the "
        "likeness, more of them structure.  [default: none]",
    ),
    click.option(
        "--features",
        type=click.Path(exists=True, file_okay=False),
        metavar="FOLDER",
        help="Input: for --refine, a folder with a recogniser, mobilefacenet.npz or "
        "model_ir_se50.pth.",
    ),
    click.option(
        "--face",
        type=FaceType("auto", "largest", "none"),
        default="auto",
        metavar="largest|N|none",
        help="Input: cut this face out of the secret and hide it alone; N counts from 1, the "
        "largest first; none keeps the whole.  [default: the largest where the image is about "
        "it, with --codec latent or paper always]",
    ),
    click.option(
        "--name",
        metavar="NAME",
        help="Input: the name that a hidden file is to have when it is extracted.  [default: its "
        "own]",
    ),
    click.option("--no-name", is_flag=True, help="Input: hide a file without its name."),
    click.option(
        "--rounding",
        type=click.Choice(["nearest", "floor", "truncate"]),
        help="Advanced: how --codec paper rounds.  [default: nearest]",
    ),
    click.option(
        "--cost",
        type=click.Choice(["auto", *cost_names.ALL]),
        default="auto",
        show_default=True,
        help="Advanced: the function that says where changes are hard to detect. hill, suniward, "
        "wow and mipod are for PNG, BMP, TIFF and WebP carriers, juniward, uerd and jmipod for "
        "JPEG; auto is the first of each.",
    ),
    *making_options,
    limit_option,
)


def _reject_steps(codec: str, refine: int, features: str | None) -> None:
    if bool(refine) != (features is not None):
        raise click.UsageError("--refine and --features need one another")
    if refine and codec not in ("auto", "latent"):
        raise click.UsageError(f"--refine has no effect with --codec {codec}")


def _reject_unused(
    codec: str, budget: int | None, quality: int | None, rounding: str | None, face: int | str
) -> None:
    if budget is not None and codec not in ("auto", "image", "latent"):
        raise click.UsageError(f"--budget has no effect with --codec {codec}")
    if quality is not None and codec not in ("auto", "latent"):
        raise click.UsageError(f"--quality has no effect with --codec {codec}")
    if rounding is not None and codec != "paper":
        raise click.UsageError("--rounding has no effect without --codec paper")
    if face != "auto" and codec in ("image", "file"):
        raise click.UsageError(f"--face has no effect with --codec {codec}")
