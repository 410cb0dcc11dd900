"""Shared parts of the tests against `../shared/vectors/e2style`: weights by formula, a measure."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from loading import load_module

SHARED = Path(__file__).resolve().parents[3] / "shared"
VECTORS = SHARED / "vectors" / "e2style"

needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason=f"no vectors at {VECTORS}")


@functools.cache
def shapes(kind):
    return json.loads((VECTORS / "shapes.json").read_text())[kind]


@functools.cache
def fill():
    """The module that draws each weight from its key."""
    return load_module(VECTORS / "fill.py")


def filled(kind):
    """State dict of a network of the vectors."""
    return {key: torch.from_numpy(value) for key, value in fill().fill(shapes(kind)).items()}


def empty(kind):
    """The same keys and shapes, without memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in shapes(kind).items()}


def expected():
    return np.load(VECTORS / "expected.npz")


def pictures(wanted):
    return torch.from_numpy(wanted["x_u8"]).permute(0, 3, 1, 2).float() / 127.5 - 1


def relative(got, wanted):
    got = np.asarray(got, dtype=np.float64)
    return float(np.abs(got - wanted).max() / np.abs(wanted).max())
