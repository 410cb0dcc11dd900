"""Kernels that the package carries: of the present sources, and the same as those of numba."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest
from files import files_in

from stc import kernels, precompiled
from stc.jit import Kernel

ROOT = Path(__file__).resolve().parents[2]
INDEX = {
    level: json.loads((precompiled.FOLDER / f"kernels-{level}.json").read_text())
    for level in precompiled.LEVELS
}
HERE = pytest.mark.skipif(
    not kernels.forward.entries, reason="this processor compiles its kernels itself"
)


@pytest.mark.parametrize("level", INDEX)
@pytest.mark.parametrize("module", INDEX["x86_64-v3"]["sources"])
def test_they_are_made_of_the_present_sources(module, level):
    for path, known in INDEX[level]["sources"][module].items():
        found = hashlib.sha256((ROOT / path).read_bytes()).hexdigest()
        assert found == known, f"{path} has changed: run python recipes/kernels.py"


WHOLE = """
import hashlib, sys, numpy as np, stc
from stc import costs
rng = np.random.default_rng(7)
image = rng.normal(128, 20, (90, 70)).clip(0, 255).astype(np.uint8)
blocks = rng.integers(-9, 10, (4, 5, 8, 8))
digest = hashlib.sha256()
for name in ("hill", "suniward", "wow"):
    digest.update(getattr(costs, name)(image).tobytes())
digest.update(costs.juniward(blocks, np.full((8, 8), 3)).tobytes())
digest.update(np.round(costs.mipod(image, 600), 9).tobytes())
cost = costs.hill(image).reshape(-1)
for height in (6, 12):
    message = rng.integers(0, 2, 660)
    stego = stc.embed_ternary(image.reshape(-1), message, cost, cost, height)
    assert (stc.extract_ternary(stego, 660, height) == message).all()
    digest.update(stego.tobytes())
cover, message = rng.integers(0, 2, 9000), rng.integers(0, 2, 2)
digest.update(stc.embed(cover, message, rng.random(9000), 6).tobytes())
print(digest.hexdigest(), "numba" in sys.modules)
"""


def run(code=WHOLE, **environment):
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env=os.environ | environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.split()


@HERE
@pytest.mark.slow  # numba compiles all of them
def test_they_give_what_numba_gives_and_do_not_import_it():
    digest, loaded = run()
    assert loaded == "False"
    assert run(NUMBA_CPU_NAME=llvm.get_host_cpu_name()) == [digest, "True"]


ONE_LEVEL = "from stc import precompiled; precompiled.LEVELS = {{{0!r}: precompiled.LEVELS[{0!r}]}}"


@HERE
@pytest.mark.skipif(
    not precompiled._has_features(precompiled.LEVELS["x86_64-v4"]), reason="needs AVX-512"
)
def test_all_levels_give_the_same():
    found = [run(ONE_LEVEL.format(level) + WHOLE) for level in precompiled.LEVELS]
    assert found[0] == found[1] and found[0][1] == "False"


@HERE
def test_embedding_imports_no_compiler():
    assert run()[1] == "False"


FILES = """
import io, sys, numpy as np
from PIL import Image
from deephide.formats.jpeg import coder, segments
samples = np.random.default_rng(7).normal(128, 40, (72, 90, 3)).clip(0, 255).astype(np.uint8)
for options in ({}, {"progressive": True}):
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "JPEG", quality=85, **options)
    old = coder.decode(segments.parse(buffer.getvalue()))
    assert coder.replace_coefficients(old, old.elements()) == buffer.getvalue()
print("numba" in sys.modules)
"""


@HERE
def test_issue_16_reading_and_writing_jpeg_files_imports_no_compiler():
    done = subprocess.run(
        [sys.executable, "-c", FILES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False"]


@HERE
def test_other_types_are_compiled():
    ends = np.array([0, 2, 5], np.int64)
    live = np.array([1, 0, 1, 1, 1], np.bool_)
    assert kernels.widest_block.entries[0].takes((live, ends))
    assert not kernels.widest_block.entries[0].takes((live.astype(np.uint8), ends))
    assert not kernels.widest_block.entries[0].takes((np.repeat(live, 2)[::2], ends))
    assert kernels.widest_block(live, ends) == 3
    assert kernels.widest_block(live.astype(np.uint8), ends.astype(np.int32)) == 3


def fresh(monkeypatch, folder):
    """Return a kernel that looks into a folder, as in a new process."""
    monkeypatch.setattr(precompiled, "FOLDER", folder)
    precompiled._shipped.cache_clear()
    return Kernel(kernels.widest_block.py_func, {})


@pytest.fixture
def copied(tmp_path, monkeypatch):
    for path in files_in(precompiled.FOLDER, "kernels-*", least=4):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    yield tmp_path
    precompiled._shipped.cache_clear()


@HERE
def test_a_changed_source_is_compiled(copied, monkeypatch):
    assert fresh(monkeypatch, copied).entries
    known = INDEX["x86_64-v3"]["sources"]["stc.kernels"]["stc/kernels.py"]
    for index in files_in(copied, "kernels-*.json", least=2):
        index.write_text(index.read_text().replace(known, "0" * 64))
    assert fresh(monkeypatch, copied).entries == ()


@HERE
@pytest.mark.parametrize("damage", ["library", "index", "missing"])
def test_damaged_files_are_done_without(copied, monkeypatch, damage):
    for path in files_in(copied, "kernels-*", least=4):
        if damage == "missing":
            path.unlink()
        elif path.suffix == {"library": ".so", "index": ".json"}[damage]:
            path.unlink()  # a library that is mapped must not be written over
            path.write_bytes(b"nothing of the kind")
    assert fresh(monkeypatch, copied).entries == ()


@HERE
@pytest.mark.parametrize("what", ["platform", "features"])
def test_another_machine_compiles(monkeypatch, what):
    if what == "platform":
        monkeypatch.setattr(precompiled.platform, "machine", lambda: "riscv64")
    else:
        monkeypatch.setattr(precompiled, "LEVELS", {"x86_64-v3": ("AVX2", "none such")})
    try:
        assert fresh(monkeypatch, precompiled.FOLDER).entries == ()
    finally:
        precompiled._shipped.cache_clear()
