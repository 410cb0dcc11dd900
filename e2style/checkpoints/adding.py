"""Adding a model file to the user's folder, checked, under its fingerprint; and removing it."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from e2style.checkpoints.headers import kind_of_file
from e2style.checkpoints.shipped import built_in
from e2style.checkpoints.user_models import FILE, NOTE, Added, added_models, folder
from e2style.errors import CheckpointError, ConfigError, OutputError

__all__ = ["add_model", "remove_model"]

# One word, so that it cannot be taken for a path or an option.
_NAME = re.compile(r"\w[\w.+-]{0,63}")


def add_model(
    source: str | os.PathLike[str], name: str | None = None, *, force: bool = False
) -> Added:
    """Copy a model file into the user's folder, where `load` finds it by name.

    Parameters
    ----------
    source : model file of this program
    name : what to call it; None means the name of the file without its suffix
    force : take the name, or the place of the same model, from an added model

    Returns
    -------
    Added

    Raises
    ------
    CheckpointError : missing, or not a sound model file of this program
    ConfigError : a name that cannot be used
    OutputError : the name or the model is there already, or the copy cannot be written
    """
    from e2style.checkpoints.verification import load_and_sketch, sha256_of

    path = Path(source)
    chosen = _checked_name(path.stem if name is None else name)
    if not path.is_file():
        raise CheckpointError(f"model {path}: no such file")
    if kind_of_file(path) != "safetensors":
        raise CheckpointError(
            f"model {path}: not a model file of this program; `e2style convert` makes one of it"
        )
    place = folder()
    partial = place / f".{secrets.token_hex(6)}.part"
    note = partial.with_suffix(".note")
    try:
        with _translated(place):
            place.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, partial)
        try:
            # What is checked is the copy, so that nobody can exchange it in between.
            model, generated = load_and_sketch(partial)
        except CheckpointError as error:
            raise CheckpointError(str(error).replace(str(partial), str(path))) from error
        fingerprint = model.fingerprint.hex()
        added = Added(
            chosen, fingerprint, sha256_of(partial), generated.hex(), place / f"{fingerprint}{FILE}"
        )
        others = _others(added, force)
        with _translated(place):
            fields = {"name": chosen, "sha256": added.sha256, "sketch": generated.hex()}
            note.write_text(json.dumps(fields) + "\n", encoding="utf-8")
            os.replace(partial, added.path)
            os.replace(note, added.path.with_suffix(NOTE))
    finally:
        for left in (partial, note):
            with suppress(OSError):
                left.unlink()
    for other in others:
        _remove(other)
    return added


def remove_model(name: str) -> Added:
    """Remove an added model; those that ship stay.

    Raises
    ------
    CheckpointError : there is none of that name
    OutputError : it cannot be removed
    """
    for each in added_models():
        if each.name == name:
            _remove(each)
            return each
    known = ", ".join(each.name for each in added_models()) or "none"
    raise CheckpointError(f"model {name!r}: not among the added ones, which are: {known}")


def _checked_name(name: str) -> str:
    name = unicodedata.normalize("NFC", name)
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"name {name!r}: allowed are up to 64 letters, digits and . _ + -, a letter or digit "
            "first"
        )
    if name in built_in():
        raise ConfigError(f"name {name!r}: is that of a model that ships; choose another one")
    return name


def _others(added: Added, force: bool) -> list[Added]:
    """Models that lose their name to an added one; without `force` none may, nor its place."""
    others = []
    for each in added_models():
        if each.fingerprint == added.fingerprint:
            if (each.name, each.sha256) != (added.name, added.sha256) and not force:
                raise OutputError(f"the model is there already, as {each.name!r}")
        elif each.name == added.name:
            if not force:
                raise OutputError(f"the name {each.name!r} is that of another added model")
            others.append(each)
    return others


def _remove(added: Added) -> None:
    with _translated(added.path):
        # The note first: a file without a note is no model, and a note without a file is broken.
        added.path.with_suffix(NOTE).unlink(missing_ok=True)
        added.path.unlink(missing_ok=True)


@contextmanager
def _translated(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = (error.strerror or "unknown reason").lower()
        raise OutputError(f"the output {place} cannot be written: {reason}") from error
