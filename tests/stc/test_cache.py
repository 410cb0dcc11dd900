"""Compiled code on disk that is damaged or cannot be written: said once, and healed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from files import files_in

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import logging, numpy as np
logging.basicConfig(format="%(message)s")
from stc.jit import jit

def doubled(x):
    return 2 * x

def tripled(x):
    return 3 * x

one, other = jit(doubled), jit(tripled)
print(one(21), other(14))
"""


@pytest.fixture
def run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    folder = tmp_path / "cache"
    folder.mkdir()

    def call():
        done = subprocess.run(
            [sys.executable, script],
            env={**os.environ, "NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, "42 42\n"), done.stderr
        return done.stderr

    call.folder = folder
    return call


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", [lambda raw: b"", lambda raw: raw[:40], lambda raw: b"x" * 99])
def test_damaged_files_are_written_anew(run, suffix, damage):
    assert run() == ""
    for path in files_in(run.folder, f"**/*.{suffix}", least=2):
        path.write_bytes(damage(path.read_bytes()))
    assert run().count("is compiled anew") == 1
    assert run() == ""


def test_a_folder_that_cannot_be_written_is_said_once(run):
    (run.folder.parent / "cache").rmdir()
    run.folder.write_bytes(b"a file in the place of the folder")
    assert run().count("\n") <= 1


def test_a_full_disk_is_said_once(run):
    program = PROGRAM.replace(
        "one, other",
        "import numba.core.caching as c\n"
        "def full(*a): raise OSError(28, 'No space left on device')\n"
        "c.IndexDataCacheFile._save_data = full\n"
        "one, other",
        1,
    )
    (run.folder.parent / "script.py").write_text(program)
    said = run()
    assert said.count("cannot be kept in") == 1 and "No space left" in said
