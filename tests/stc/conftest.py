from pathlib import Path

import numpy as np
import pytest

VECTORS = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "stc"


@pytest.fixture
def vectors():
    """Return the folder of reference vectors, or skip where a checkout has none."""
    if not VECTORS.is_dir():
        pytest.skip(f"no reference vectors at {VECTORS}")
    return VECTORS


@pytest.fixture
def rng():
    return np.random.default_rng(20110601)
