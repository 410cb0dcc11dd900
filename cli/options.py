"""Options shared by the commands: keys, model, output, and what becomes of metadata."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from cli.passphrase import VARIABLE, Sources
from deephide.errors import OutputError
from deephide.formats.limits import MAX_PIXELS

__all__ = [
    "ChannelType",
    "FaceType",
    "ShrinkType",
    "check_making",
    "check_output",
    "hygiene_options",
    "key_options",
    "limit_option",
    "making_options",
    "model_option",
    "output_options",
]

Function = Callable[..., Any]


class ChannelType(click.ParamType[str]):
    """A channel that robust mode knows."""

    name = "channel"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        from deephide.channels.profiles import parse

        try:
            return parse(str(value)).name
        except ValueError as error:
            self.fail(str(error).removeprefix("channel: "), param, ctx)


class ShrinkType(click.ParamType[str]):
    """A factor, or pixels of the longer side."""

    name = "shrink"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text."""
        from deephide.making import parse_shrink

        try:
            parse_shrink(str(value))
        except ValueError as error:
            self.fail(str(error).removeprefix("shrink: "), param, ctx)
        return str(value)


class FaceType(click.ParamType[int | str]):
    """A face by its number, counted from 1, or by one of some words."""

    name = "face"

    def __init__(self, *words: str) -> None:
        self._words = words

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | str:
        """Return the number or the word."""
        text = str(value)
        if text in self._words:
            return text
        if text.isdecimal() and int(text) >= 1:
            return int(text)
        words = ", ".join(self._words)
        self.fail(f"{text!r} is neither a number from 1 nor one of {words}", param, ctx)


def key_options(*, sending: bool) -> Callable[[Function], Function]:
    """Add the passphrase and key options; the function gets them as `sources`."""

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def run(
            *args: Any,
            passphrase_file: str | None,
            passphrase_fd: int | None,
            passphrase: bool,
            key_file: str | None,
            recipients: tuple[str, ...] = (),
            identity: str | None = None,
            **kwargs: Any,
        ) -> Any:
            sources = Sources(
                passphrase_file, passphrase_fd, passphrase, key_file, recipients, identity
            )
            return function(*args, sources=sources, **kwargs)

        wrapped: Function = run
        for option in (
            _RECIPIENT if sending else _IDENTITY,
            click.option(
                "--key-file",
                metavar="PATH",
                help="Security: a file of 32 random bytes or more, besides or instead of the "
                "passphrase; head -c 64 /dev/urandom makes one.",
            ),
            click.option(
                "--passphrase-fd",
                type=click.IntRange(min=0),
                metavar="N",
                help="Security: read the passphrase from this open file descriptor.",
            ),
            click.option(
                "--passphrase-file",
                metavar="PATH",
                help="Security: read the passphrase from this file; - is the first line of stdin. "
                f"The variable {VARIABLE} works too, but other processes may read it.",
            ),
            click.option(
                "-p", "--passphrase", is_flag=True, help="Security: ask for a passphrase."
            ),
        ):
            wrapped = option(wrapped)
        return wrapped

    return decorate


_RECIPIENT = click.option(
    "--recipient",
    "recipients",
    multiple=True,
    metavar="KEY",
    help="Security: a public key that deephide keygen printed; only its owner can extract. May be "
    "given up to 16 times; excludes passphrase and key file.",
)
_IDENTITY = click.option(
    "--identity",
    metavar="PATH",
    help="Security: the file that deephide keygen wrote; excludes passphrase and key file.",
)


def model_option(function: Function) -> Function:
    """Add the choice of a model."""
    return click.option(
        "--model",
        metavar="NAME|PATH",
        help="Advanced: the model to use; both sides need the same one. deephide models lists "
        "names and adds files. A file that is not here is looked for in the folder that the "
        "variable DEEPHIDE_MODEL_DIR names.  [default: built in]",
    )(function)


def limit_option(function: Function) -> Function:
    """Add the limit on pixels."""
    return click.option(
        "--max-pixels",
        type=click.IntRange(1, MAX_PIXELS),
        metavar="N",
        help="Security: refuse images of more pixels before they are decoded, which bounds memory "
        f"and time.  [default: {MAX_PIXELS}, the most]",
    )(function)


making_options = (
    click.option(
        "--shrink",
        type=ShrinkType(),
        metavar="FACTOR|PIXELS",
        help="Input: make the photo smaller first, by a factor such as 0.75 or to a longer side as "
        "1600px: the errors of rounding, which nobody else knows, hide the changes. 1 rounds a "
        "photo of 16 bits per sample. With --channel, pixels in place of the channel's 1,080.  "
        "[default: the photo's own file is kept]",
    ),
    click.option(
        "--quality-jpeg",
        type=click.IntRange(50, 100),
        metavar="N",
        help="Input: make a JPEG file of this quality, of a photo that is none or with --shrink; "
        "again the errors of rounding hide the changes.  [default: 95 where --shrink makes a JPEG]",
    ),
)


def check_making(channel: str | None, shrink: float | str | None, quality_jpeg: int | None) -> None:
    """Reject what a channel, which makes a file of its own, leaves no choice of."""
    if channel is None:
        return
    if quality_jpeg is not None:
        raise click.UsageError("--channel says the quality itself and excludes --quality-jpeg")
    if shrink is not None:
        from deephide.making import channel_side

        try:
            channel_side(channel, shrink)
        except ValueError as error:
            raise click.UsageError(f"--{error}") from error


def hygiene_options(function: Function) -> Function:
    """Add what becomes of metadata, times and used carriers; the function gets a dict."""

    @functools.wraps(function)
    def run(
        *args: Any, strip_metadata: bool, keep_times: bool, compare_with: str | None, **kwargs: Any
    ) -> Any:
        hygiene = {
            "strip_metadata": strip_metadata,
            "keep_times": keep_times,
            "compare_with": compare_with,
        }
        return function(*args, hygiene=hygiene, **kwargs)

    wrapped: Function = run
    for option in (
        click.option(
            "--compare-with",
            metavar="FOLDER",
            help="Security: warn if a PNG file (JPEG for a JPEG carrier) in this folder is an "
            "earlier stego of the carrier.",
        ),
        click.option(
            "--keep-times",
            is_flag=True,
            help="Security: give the stego the times of the carrier's file.",
        ),
        click.option(
            "--strip-metadata",
            is_flag=True,
            help="Security: leave out texts, times and EXIF data that the carrier's file has; "
            "otherwise all of it stays.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def output_options(default: str | None, shown: str | None = None) -> Callable[[Function], Function]:
    """Add the choice of the output file."""

    def decorate(function: Function) -> Function:
        function = click.option("--force", is_flag=True, help="Output: replace an existing file.")(
            function
        )
        return click.option(
            "-o",
            "--output",
            default=default,
            show_default=shown or True,
            metavar="PATH",
            help="Output: the file to write, or a folder; - is stdout.",
        )(function)

    return decorate


def check_output(output: str, force: bool, source: str | None = None) -> None:
    """Refuse, before any work, what a model file cannot be written to.

    Raises
    ------
    OutputError : another suffix, no such folder, it is `source`, or it exists and not `force`
    """
    target = Path(output)
    if target.suffix != ".safetensors":
        raise OutputError(
            f"the output {output} is no .safetensors file", hint="give it the suffix .safetensors"
        )
    if not target.parent.is_dir():
        raise OutputError(f"the output {output}: there is no folder {target.parent}")
    if source is not None and target.exists() and Path(source).exists() and target.samefile(source):
        raise OutputError(f"the output {output} is the input")
    if os.path.lexists(target) and not stat.S_ISREG(os.lstat(target).st_mode):
        raise OutputError(f"the output {output} exists and is no ordinary file")
    if target.exists() and not force:
        raise OutputError(f"the output {output} exists", hint="use --force to replace it")
