"""Errors of the package.

E2StyleError
├─ ConfigError      (ValueError)   a setting outside its range
├─ CheckpointError                 missing | hash mismatch | incompatible
├─ DataError        (ValueError)   no usable image, wrong shape
└─ OutputError                     a file cannot be written
"""

from __future__ import annotations


class E2StyleError(Exception):
    """Root of everything that this package raises on purpose."""


class ConfigError(E2StyleError, ValueError):
    """A setting is unknown or outside its range."""


class CheckpointError(E2StyleError):
    """A model file is missing, damaged, or does not fit."""


class DataError(E2StyleError, ValueError):
    """Training or evaluation data cannot be used."""


class OutputError(E2StyleError):
    """A file cannot be written where it was asked for."""
