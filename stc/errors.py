"""Errors of `stc`.

StcError
└─ PayloadTooLargeError (ValueError)    the message does not fit these elements
"""

__all__ = ["PayloadTooLargeError", "StcError"]


class StcError(Exception):
    """Root of every error that `stc` defines."""


class PayloadTooLargeError(StcError, ValueError):
    """No stego exists, within the permitted changes, whose syndrome is the message.

    Parameters
    ----------
    message : str, names the parameter, what was got and the remedy
    needed_bits : int or None, bits asked for
    capacity_bits : int or None, an upper limit on what would fit, where one is known; a
        payload just below it can still fail, because it counts elements and not solutions

    """

    def __init__(
        self, message: str, *, needed_bits: int | None = None, capacity_bits: int | None = None
    ) -> None:
        super().__init__(message)
        self.needed_bits = needed_bits
        self.capacity_bits = capacity_bits
