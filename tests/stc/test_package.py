import doctest
import importlib
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

import stc

ROOT = Path(__file__).resolve().parents[2]
# Whoever names a processor gets kernels compiled for it, and none that the package carries.
COMPILED_HERE = {
    "NUMBA_CPU_NAME": llvm.get_host_cpu_name(),
    "NUMBA_CPU_FEATURES": llvm.get_host_cpu_features().flatten(),
}

ROUND_TRIP = """
import numpy as np, stc
rng = np.random.default_rng(1)
for height, n, m in ((6, 40, 9), (7, 23, 23), (6, 30, 1)):
    cover, message, cost = rng.integers(0, 2, n), rng.integers(0, 2, m), rng.random(n)
    cost[::7] = np.inf if m < n else 1.0
    stego = stc.embed(cover, message, cost, height)
    assert (stc.extract(stego, m, height) == message).all()
    print(stego.tolist())
levels = rng.integers(0, 256, 40).astype(np.uint8)
message = rng.integers(0, 2, 9)
stego = stc.embed_ternary(levels, message, np.ones(40), np.ones(40), 6)
assert (stc.extract_ternary(stego, 9, 6) == message).all()
print(stego.tolist(), round(stc.bound_distortion(rng.random(40), 9), 9))
"""


def start(code, **environment):
    command = [sys.executable, "-W", "error", "-c", code]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def run(code, **environment):
    done = start(code, **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernels_run_as_plain_python():
    assert run(ROUND_TRIP, NUMBA_DISABLE_JIT="1") == run(ROUND_TRIP)


@pytest.mark.parametrize("where", ["missing", "file"])
def test_an_unwritable_cache_is_no_error(where, tmp_path):
    # Root may write anywhere, but not below /proc and not below a file.
    place = Path("/proc/self/stc-cache")
    if where == "file":
        (tmp_path / "file").write_text("")
        place = tmp_path / "file" / "cache"
    # A package without a writable __pycache__ or home has no other place to cache in.
    code = f"""
import numba.core.caching as caching
caching.CacheImpl._locator_classes = [caching.UserProvidedCacheLocator]
{ROUND_TRIP}
"""
    done = start(code, NUMBA_CACHE_DIR=str(place), **COMPILED_HERE)
    assert (done.returncode, done.stdout) == (0, run(ROUND_TRIP))
    assert done.stderr.count("kernels are compiled anew in every process") == 1


def test_the_first_compilation_is_foreseen(tmp_path):
    code = f"import stc\nprint(stc.is_compiled())\n{ROUND_TRIP}\nprint(stc.is_compiled())"
    chosen = {"NUMBA_CACHE_DIR": str(tmp_path), **COMPILED_HERE}
    first = run(code, **chosen).splitlines()
    assert (first[0], first[-1]) == ("False", "True")
    assert run(code, **chosen).splitlines()[0] == "True"
    assert run(code, NUMBA_DISABLE_JIT="1").splitlines()[0] == "False"


def test_import_is_light():
    code = """
import sys, stc
dir(stc)
heavy = {"numba", "numpy", "scipy"} & set(sys.modules)
assert not heavy, heavy
import numpy as np
assert not stc.extract_ternary_from(lambda a, b: np.zeros(b - a, np.uint8), 1000, 20).any()
assert "stc.search" not in sys.modules, "a receiver searches nothing"
stc.embed
assert not stc.extract_ternary(range(1000), 20)[:0].size
assert "numba" not in sys.modules, "extraction alone needs no compiler"
"""
    run(code)


def test_exports_are_complete_and_sorted():
    assert stc.__all__ == sorted(stc.__all__)
    for name in stc.__all__:
        assert getattr(stc, name).__doc__
    assert set(stc.__all__) <= set(dir(stc))
    assert stc.costs.__all__ == sorted(stc.costs.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = stc.nothing


def test_path_bytes():
    assert stc.path_bytes(1000, 12) == 1000 * 512
    with pytest.raises(ValueError, match="height"):
        stc.path_bytes(1, 99)
    with pytest.raises(ValueError, match="n_live: got -5"):
        stc.path_bytes(-5)


@pytest.mark.parametrize(
    "name",
    ["batch", "bounds", "codec", "multilayer", "submatrices", "costs.channels"]
    + [f"costs.{name}" for name in stc.costs.__all__ if name != "sync_channels"],
)
def test_examples_in_docstrings(name):
    results = doctest.testmod(importlib.import_module(f"stc.{name}"))
    assert results.attempted
    assert not results.failed


def test_examples_in_the_page():
    results = doctest.testfile(str(ROOT / "docs" / "stc.md"), module_relative=False)
    assert results.attempted > 10
    assert not results.failed
