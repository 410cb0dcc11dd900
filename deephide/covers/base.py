"""Cover protocol: what every kind of cover can do, so that nobody has to ask which kind it is.

A new kind is a class that does this, in a file of its own, and a line in `kinds.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from deephide.container import layout
from deephide.container.canvas import Elements
from deephide.container.hiding import Changeable
from deephide.covers import cost_names
from deephide.covers.detectability import Prospect
from deephide.errors import DeephideError, ExtractionError, InputImageError

__all__ = [
    "Consumer",
    "Costs",
    "Cover",
    "Elements",
    "Preparation",
    "Sign",
    "check_elements",
    "choose_cost",
]

# The costs of +1 and -1 for every element: (n,) float64, inf for a change that may not happen.
Costs: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]

# What takes stripes of costs, and goes through them all.
Consumer: TypeAlias = Callable[[Iterator[Costs]], None]

# What a cover found out about its own file, for `Cover.encode` alone to understand.
Preparation: TypeAlias = Any


@dataclass(frozen=True)
class Sign:
    """A sign of a poor hiding place.

    `betrays` says that any stego is certain to be detected, however little it hides.
    """

    text: str
    betrays: bool = False


class Cover(Protocol):
    """A cover or stego of any kind, ready to be worked on."""

    @property
    def element_name(self) -> str:
        """What its elements are, in the plural."""

    @property
    def elements(self) -> Elements:
        """The (n,) integers that carry the message, each changed by one at most."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Width, height and number of channels or components."""

    @property
    def associated(self) -> bytes:
        """What the seal authenticates besides the body."""

    def salt(self, elements: Elements) -> bytes:
        """Return the 16 bytes of `brightness.salt_of`, for the cover with other elements."""

    def costs(self, name: str, payload_bits: int) -> Costs:
        """Return the costs of +1 and -1 for every element.

        Parameters
        ----------
        name : a cost function for this kind of cover, or "auto" for the first of them
        payload_bits : what is to be hidden; "mipod" and "jmipod" depend on it

        Raises
        ------
        ValueError : an unknown cost function
        InputImageError : a cost function for another kind of cover
        """

    def cost_stripes(self, name: str, payload_bits: int) -> Iterator[Costs]:
        """Yield the same costs part by part, so that a large cover's are never there at once."""

    def changeable(self, name: str, payload_bits: int) -> Changeable:
        """Count the elements that may change under a cost function."""

    def survey(self, costs: Costs) -> Prospect:
        """Look at the costs and the noise of the cover; see `detectability`."""

    def prospect(
        self,
        name: str,
        payload_bits: int,
        consume: Consumer | None = None,
    ) -> Prospect:
        """Do the same with the costs of a cost function, computed where they are looked at.

        Where those are the costs of all elements, `consume` gets what `cost_stripes` yields.
        """

    @property
    def signs(self) -> tuple[Sign, ...]:
        """What makes the cover a poor hiding place; empty for an ordinary photo."""

    def squared_error(self, elements: Elements) -> float:
        """Return the squared difference that other elements make in samples, all summed up."""

    def render(self, elements: Elements) -> Image.Image:
        """Return what the cover looks like with other elements."""

    def reopened(self, elements: Elements) -> Cover:
        """Return the stego as its receiver will open it, by way of its file or samples."""

    def check_suffix(self, suffix: str) -> None:
        """Reject a name that the stego cannot have, where only the cover's content tells.

        Raises
        ------
        OutputError : the cover cannot be written in the format of that name
        """

    def prepare_encoding(self, suffix: str | None) -> Preparation:
        """Find out what `encode` will want to know, which takes time; None as if by default."""

    def encode(
        self,
        elements: Elements,
        *,
        suffix: str | None = None,
        strip_metadata: bool = False,
        preparation: Preparation = None,
    ) -> bytes:
        """Return the file of the stego.

        Parameters
        ----------
        elements : (n,) integers that replace the cover's
        suffix : what its name ends in; None means the format that suits the cover's kind
        strip_metadata : leave out what the file says besides what the image looks like
        preparation : what `prepare_encoding` returned for this suffix, if it was asked before

        Raises
        ------
        DeephideError : the cover's file is of a kind that cannot be written as it was
        """


def choose_cost(name: str, own: tuple[str, ...], carrier: str) -> str:
    """Return the cost function to use.

    Parameters
    ----------
    name : "auto" or a cost function
    own : those of the cover's kind, the default first
    carrier : what the cover is, as a message says it

    Raises
    ------
    ValueError : an unknown cost function
    InputImageError : a cost function for another kind of cover
    """
    if name == "auto":
        return own[0]
    if name in own:
        return name
    if name in cost_names.ALL:
        raise InputImageError(
            f"the cost function {name} has no costs for a carrier that is {carrier}",
            hint=f"use one of: {', '.join(own)}",
        )
    raise ValueError(f"cost: got {name!r}, allowed: auto, {', '.join(cost_names.ALL)}")


def check_elements(role: str, size: tuple[int, int], count: int, name: str) -> None:
    """Reject an image of too few elements.

    Parameters
    ----------
    role : "carrier" or "stego", as messages call it
    size : width and height
    count, name : how many elements of which kind

    Raises
    ------
    InputImageError : a carrier is too small
    ExtractionError : so is a stego: the format knows one error for whatever holds nothing
    """
    if count >= layout.MIN_ELEMENTS:
        return
    error: DeephideError = ExtractionError()
    if role != "stego":
        error = InputImageError(
            f"the {role} is too small ({size[0]} x {size[1]}): {count} {name}, "
            f"at least {layout.MIN_ELEMENTS} are needed",
            hint="use an ordinary photo",
        )
    raise error
