"""Types of arguments that a shell completes: files, folders and models, by the metavar."""

from __future__ import annotations

import click
from click.shell_completion import CompletionItem

__all__ = ["FileType", "of_metavar"]

_FILES = (
    *(
        "PATH",
        "NAME|PATH",
        "STEGO",
        "STEGO...",
        "CARRIER",
        "IN",
        "FIRST",
        "LAST",
        "MODEL",
        "MANIFEST",
    ),
    "COVERS",
)
_FOLDERS = ("FOLDER", "RUN")
_MODELS = ("NAME|PATH", "MODEL", "NAME")


class FileType(click.types.StringParamType):
    """Text as it is typed; a file is judged where it is used, with the error of its kind."""

    def __init__(self, metavar: str) -> None:
        self._metavar = metavar

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leave file names to the shell, and add the names of models."""
        found = []
        if self._metavar in _FILES:
            found.append(CompletionItem(incomplete, type="file"))
        if self._metavar in _FOLDERS:
            found.append(CompletionItem(incomplete, type="dir"))
        if self._metavar in _MODELS:
            import e2style
            from e2style.checkpoints.shipped import RESTORERS

            added = (each.name for each in e2style.added_models())
            known = [*e2style.names(), *RESTORERS, *added]
            found += [CompletionItem(name) for name in known if name.startswith(incomplete)]
        return found


def of_metavar(metavar: str | None) -> click.ParamType[str] | None:
    """Return the type of a text with this metavar, or None if it stands for no file or model."""
    word = (metavar or "").strip("[].")
    return FileType(word) if word in (*_FILES, *_FOLDERS, *_MODELS) else None
