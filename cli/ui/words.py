"""Reasons of the program in the words of the page: no decibels, no names of codecs."""

from __future__ import annotations

import re

__all__ = ["plainly"]

# What `deephide.codecs` says against a face, and what that means to people.
_OBJECTIONS = {
    r"no face was found that fills it": "no face fills it",
    r"its code takes [\d.]+ bits": "the program cannot draw it closely enough",
    r"does not look like an aligned face": "the program cannot draw it closely enough",
    r"may be taken for somebody else": "the face that the program draws may be taken for somebody "
    "else",
    r"is not square": "it is not square, and of a face only the middle would travel",
    r"too few for a face": "it has too few pixels for a face",
    r"has no quantizer": "the model in use cannot send faces",
    r"code takes (\d+) bytes, and (\d+) are safe": r"a face takes \1 bytes, and \2 are safe here",
}


def plainly(codec: str, reason: str) -> str:
    """Return why a secret travels as it does, in a sentence.

    Parameters
    ----------
    codec : "latent", "image" or "file"
    reason : as `EmbedResult.reason` has it
    """
    objection = next(
        (
            found.expand(text)
            for pattern, text in _OBJECTIONS.items()
            if (found := re.search(pattern, reason))
        ),
        "",
    )
    if codec == "latent":
        though = " That is closer than a small picture would be." if objection else ""
        return (
            "It travels as a face: the program draws one that is similar, from very few bytes."
            f"{though}"
        )
    if codec == "image":
        because = f", because {objection}" if objection else ""
        return f"It travels as a small picture{because}."
    return "It travels as it is, and comes back the same to the last byte."
