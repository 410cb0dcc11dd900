"""Batches of inputs: one pattern for the commands that turn images into images or codes.

Inputs are files, folders and zips. One file gives one file; several, or a folder or zip, give a
folder, where existing files are left alone: the same command, run again, resumes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import click

from cli.inputs import named_inputs, reject_inputs
from cli.render import Terminal
from deephide.errors import InputImageError, OutputError

__all__ = ["Item", "batch_options", "items", "run"]

CODES = ".safetensors"


@dataclass(frozen=True)
class Item:
    """One input and the file that it becomes.

    `name` is how messages call it; `path` is None for a member of a zip; `target` is None where
    nothing is written for it alone.
    """

    name: str
    read: Callable[[], bytes] = field(repr=False)
    path: Path | None = None
    target: Path | None = None

    @property
    def holds_codes(self) -> bool:
        """Whether it is a file of codes and not an image."""
        return self.name.endswith(CODES)

    def use(self, reader: Callable[[bytes], Any]) -> Any:
        """Return what `reader` makes of the content.

        Raises
        ------
        InputImageError : it cannot be read
        """
        from e2style.data.archive import UNREADABLE, why
        from e2style.errors import E2StyleError

        try:
            return reader(self.read())
        except E2StyleError:
            raise
        except UNREADABLE as error:
            raise InputImageError(f"{self.name} cannot be read: {why(error)}") from error

    def photo(self) -> Any:
        """Return the image, a PIL one, upright, RGB; errors as in `use`."""
        from e2style.data.archive import photo

        return self.use(photo)


def items(inputs: Sequence[str], codes: bool = False) -> list[Item]:
    """List the inputs: each file, and the images of each folder and zip.

    Parameters
    ----------
    inputs : paths
    codes : also take files of codes, from folders too

    Raises
    ------
    InputImageError : one does not exist or holds nothing
    """
    found: list[Item] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir() or path.suffix.lower() == ".zip":
            found += _members(path, codes)
        elif path.is_file():
            found.append(Item(text, path.read_bytes, path))
        else:
            raise InputImageError(f"the input does not exist: {text}")
    return found


def _members(path: Path, codes: bool) -> Iterator[Item]:
    from e2style.data.archive import Archive
    from e2style.errors import DataError

    files = sorted(path.rglob(f"*{CODES}")) if codes and path.is_dir() else []
    for file in files:
        yield Item(file.relative_to(path).as_posix(), file.read_bytes, file)
    try:
        archive = Archive(path)
    except DataError:
        if not files:
            raise
        return
    for name in archive.names:
        yield Item(name, functools.partial(archive.read, name))


def targets(
    inputs: Sequence[str], found: Sequence[Item], output: str, suffix: str, *, force: bool
) -> tuple[list[Item], int]:
    """Give each item the file that it becomes.

    Parameters
    ----------
    inputs : paths as they were given
    found : what `items` made of them
    output : a file if the input is one file, else a folder, which is made
    suffix : of the files to write
    force : replace what exists

    Returns
    -------
    items that are left to do, and how many are done already

    Raises
    ------
    OutputError : it is an input, or one file that exists; several inputs would become a folder
        with the name of a file; a name leads out of the folder; two inputs would become one file
    """
    if any(Path(text).resolve() == Path(output).resolve() for text in inputs):
        raise OutputError(f"the output {output} is an input")
    alone = len(inputs) == 1 and len(found) == 1 and Path(inputs[0]).is_file()
    if alone and Path(inputs[0]).suffix.lower() != ".zip" and not Path(output).is_dir():
        target = Path(output)
        if target.suffix.lower() != suffix:
            raise OutputError(
                f"the output {output} is no {suffix} file", hint=f"give it the suffix {suffix}"
            )
        if target.exists() and not force:
            raise OutputError(f"the output {output} exists", hint="use --force to replace it")
        reject_inputs(target)
        return [replace(found[0], target=target)], 0
    folder = Path(output)
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"the output {output} is a file, and several inputs need a folder")
    if folder.suffix.lower() in {suffix, ".zip"} and not folder.exists():
        raise OutputError(
            f"the output {output} would be a folder with the name of a file",
            hint="name a folder; several inputs become a file each in it",
        )
    named: dict[Path, Item] = {}
    for item in found:
        name = PurePosixPath(Path(item.name).as_posix())
        inner = name if item.name not in inputs else PurePosixPath(name.name)
        if inner.is_absolute() or ".." in inner.parts:
            raise OutputError(f"the name {item.name} leads out of the folder {output}")
        target = folder / inner.with_suffix(suffix)
        if target in named:
            raise OutputError(f"{named[target].name} and {item.name} would both become {target}")
        named[target] = replace(item, target=target)
    read = [*named_inputs(), *(str(item.path) for item in found if item.path is not None)]
    for target in named:
        reject_inputs(target, read)
    left = [item for target, item in named.items() if force or not target.exists()]
    return left, len(named) - len(left)


def run(
    terminal: Terminal,
    label: str,
    inputs: Sequence[str],
    output: str,
    work: Callable[[Item], bytes],
    *,
    suffix: str = ".png",
    force: bool = False,
    codes: bool = False,
    measured: Callable[[], dict[str, Any]] = dict,
) -> None:
    """Do the work of a command for each input, and print where the result is.

    Parameters
    ----------
    terminal : of the command
    label : of the progress bar
    inputs : paths as they were given
    output : a file or a folder
    work : makes the content of a file of an item
    suffix, force, codes : as in `items` and `targets`
    measured : gives more fields of the result, once all is done

    Raises
    ------
    InputImageError, OutputError : an input that stands alone, or all of several, cannot be used
    """
    from deephide.output import write_atomically
    from e2style.errors import DataError

    found = items(inputs, codes)
    left, done = targets(inputs, found, output, suffix, force=force)
    skipped: list[str] = []
    with terminal.bar(label, "images") as progress:
        for count, item in enumerate(left):
            assert item.target is not None
            try:
                content = work(item)
            except (DataError, InputImageError) as error:
                if len(found) == 1:
                    raise
                skipped.append(item.name)
                terminal.warning(f"{item.name} is skipped: {error}")
            else:
                item.target.parent.mkdir(parents=True, exist_ok=True)
                write_atomically(item.target, content, force=True)
            progress(count + 1, len(left))
    if skipped and len(skipped) == len(found):
        raise InputImageError("none of the inputs can be used")
    if done:
        terminal.info(f"{done} of {len(found)} were there already; --force makes them anew")
    written = len(left) - len(skipped)
    terminal.result(
        output,
        {"output": output, "written": written, "there": done, "skipped": skipped, **measured()},
    )


def batch_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add inputs, output and --force."""
    for option in (
        click.option("--force", is_flag=True, help="Output: replace existing files."),
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="PATH",
            help="Output: file to write; a folder if there are several inputs, a folder or a zip. "
            "What lies in the folder already is left alone.",
        ),
        click.argument("inputs", metavar="IN...", nargs=-1, required=True),
    ):
        function = option(function)
    return function
