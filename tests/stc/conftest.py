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


@pytest.fixture
def oracle():
    """Import the slow oracle by path: tests are collected without being packages."""
    import importlib.util

    path = Path(__file__).resolve().parents[1] / "naive" / "stc_oracle.py"
    spec = importlib.util.spec_from_file_location("stc_oracle", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
