"""Files of all kinds, read and written by the kernels that the package carries."""

import subprocess
import sys
from pathlib import Path

import jpeglib
import numpy as np
import pytest
from PIL import Image

from stc import kernels

ROOT = Path(__file__).resolve().parents[2]
WITHOUT_NUMBA = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""
KINDS = {
    "plain.png": {},
    "sequential.jpg": {"quality": 90},
    "progressive.jpg": {"quality": 80, "progressive": True},
    "lzw.tif": {"compression": "tiff_lzw"},
    "packbits.tif": {"compression": "packbits"},
}


def _run(program, folder):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA + program], cwd=folder, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


@pytest.mark.skipif(not kernels.forward.entries, reason="this processor compiles its kernels")
def test_files_of_all_kinds_need_no_numba(tmp_path):
    rng = np.random.default_rng(3)
    photo = Image.fromarray(rng.normal(128, 20, (96, 128, 3)).clip(1, 254).astype(np.uint8))
    for name, options in KINDS.items():
        photo.save(tmp_path / name, **options)
    deep = rng.normal(30000, 3000, (200, 240)).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    (tmp_path / "note").write_bytes(b"sixteen letters.")
    done = _run(
        f"""
import deephide
for name in {list(KINDS)}:
    deephide.embed_file("note", name, "stego-" + name, "secret", codec="file")
deephide.embed_file("note", "deep.png", "stego-deep.png", "secret", codec="file", shrink=0.6)
for name in {[*KINDS, "deep.png"]}:
    assert deephide.extract("stego-" + name, "secret").data == b"sixteen letters.", name
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr

    before = jpeglib.version.get()
    jpeglib.version.set("9d")
    try:
        stego = jpeglib.read_dct(str(tmp_path / "stego-sequential.jpg"))
        stego.write_dct(str(tmp_path / "arithmetic.jpg"), flags=["+ARITH_CODE"])
    finally:
        jpeglib.version.set(before)
    done = _run(
        """
import deephide
assert deephide.extract("arithmetic.jpg", "secret").data == b"sixteen letters."
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr


def test_a_kernel_that_is_not_carried_says_what_to_install(tmp_path):
    """As on a processor without AVX2."""
    done = _run(
        """
import importlib.util
seen = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "numba" else seen(name, *rest)
from stc import precompiled
precompiled._shipped = lambda: None
import stc
assert stc.cache_folder() is None and not stc.is_compiled()
from cli.start import deephide
sys.argv = ["deephide", "embed", "--text", "hello", "--carrier", "photo.png", "-o", "stego.png"]
deephide()
""",
        _with_photo(tmp_path),
    )
    assert done.returncode == 2, done.stderr
    assert "needs numba" in done.stderr and "deephide[kernels]" in done.stderr
    assert not (tmp_path / "stego.png").exists()


def _with_photo(folder):
    noise = np.random.default_rng(4).integers(1, 255, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "photo.png")
    return folder
