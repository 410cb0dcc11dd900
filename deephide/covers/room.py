"""Room in a cover: its costs, what they hide safely, and how much payload that is."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from deephide.container import hiding, keys, layout
from deephide.covers import cost_names
from deephide.covers.base import Costs, Cover
from deephide.covers.detectability import Prospect

__all__ = ["CoverCosts", "Room"]

# An image gets what is safe, within these bounds.
MAX_DEFAULT_BUDGET = 4096
MIN_DEFAULT_BUDGET = 200
# MiPOD's costs depend on the payload; before that is known, they are those of this one.
_GUESSED_RATE = 0.01


class CoverCosts:
    """The costs of a cover and what follows from them; those of a large one are never kept.

    Parameters
    ----------
    cover : what `open_cover` returned
    name : a cost function, or "auto"
    """

    def __init__(self, cover: Cover, name: str) -> None:
        self._cover = cover
        self._name = name
        self._is_large = cover.elements.size > hiding.LIVE_ELEMENTS
        self._known: Costs | None = None
        self._prospect: Prospect | None = None
        self._gathered: hiding.Gathered | None = None

    def of_message(self, bits: int) -> Iterable[Costs]:
        """Return the costs for a message of so many bits, stripe by stripe."""
        if self._is_large:
            return self._cover.cost_stripes(self._name, bits)
        if self._known is None or self._name in cost_names.OF_PAYLOADS:
            self._known = self._cover.costs(self._name, bits)
        return (self._known,)

    def prospect(self, bits: int | None = None) -> Prospect:
        """Return what the costs and the noise of the cover promise.

        The costs are those for a message of so many bits, if that is known already; those of
        MiPOD and J-MiPOD depend on it.
        """
        if self._prospect is None:
            guess = max(1, int(_GUESSED_RATE * self._cover.elements.size))
            bits = guess if bits is None else bits
            if self._is_large:
                depends = self._name in cost_names.OF_PAYLOADS
                gather = None if depends else self._gather
                self._prospect = self._cover.prospect(self._name, bits, gather)
            else:
                (known,) = (self._known,) if self._known is not None else self.of_message(bits)
                self._prospect = self._cover.survey(known)
        return self._prospect

    def _gather(self, stripes: Iterable[Costs]) -> None:
        self._gathered = hiding.Gathered.of(self._cover.elements, stripes)

    def gathered(self) -> hiding.Gathered | None:
        """Give away what hiding needs, where `prospect` came by it."""
        found, self._gathered = self._gathered, None
        return found

    def limit_bits(self, bits: int, key: keys.Sealer) -> int:
        """Return the largest message that could possibly be hidden, with costs for `bits`."""
        if self._gathered is not None:
            found = self._gathered.changeable
        elif self._is_large:
            found = self._cover.changeable(self._name, bits)
        else:
            found = hiding.Changeable.of(self._cover.elements, self.of_message(bits))
        return found.limit_bits(self._cover.elements.size, key)

    def safe_bits(self) -> int:
        """Return the size of the largest message that is safe."""
        return int(self.prospect().safe().payload_bits)


@dataclass(frozen=True)
class Room:
    """The bytes of payload that a cover has room for, keys and framing taken off.

    Parameters
    ----------
    cover, costs : where to hide
    key : who is to read
    padded : whether the payload is filled up to a size class
    """

    cover: Cover
    costs: CoverCosts
    key: keys.Sealer
    padded: bool

    @property
    def limit(self) -> int:
        """The most that the format allows in this cover."""
        return layout.Zones(self.cover.elements.size, self.key.public_bytes).max_body_bytes

    def safe(self) -> int:
        """Return what is safe in this cover."""
        return max(0, self._payload_bytes(self.costs.safe_bits()))

    def for_image(self) -> int:
        """Return what an image may take where no budget was given."""
        safe_bits = self.costs.safe_bits()
        hard = self.costs.limit_bits(safe_bits, self.key)
        least = min(MIN_DEFAULT_BUDGET, self._payload_bytes(hard, share=2))
        return max(0, min(max(self.safe(), least), MAX_DEFAULT_BUDGET))

    def hidden_bytes(self, payload: int) -> int:
        """Return everything that is hidden with so many bytes of payload."""
        content = layout.padded_bytes(payload + 1) if self.padded else payload
        return hiding.message_bits(layout.HEADER_BYTES + content, self.key) // 8

    def payload_within(self, hidden: int) -> int:
        """Return the longest payload with which so many bytes are hidden; 0 if there is none."""
        return max(0, bisect_right(range(hidden + 1), hidden, key=self.hidden_bytes) - 1)

    def _payload_bytes(self, message_bits: int, share: int = 1) -> int:
        """Return the payload of a message, or of half of it for a share of 2, and so on."""
        empty = hiding.message_bits(layout.HEADER_BYTES, self.key)
        size = (message_bits - empty) // (8 * share)
        return size * 8 // 9 - 1 if self.padded else size  # a size class is at most 12 % longer
