"""Closed and full streams, a folder that is gone, interrupts: one sentence, and its exit code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(os.name != "posix", reason="the shell of POSIX")


def shell(command, cwd):
    text = command.replace("deephide", f"{sys.executable} -m deephide", 1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        text, shell=True, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("deephide passphrase >&-", 8, "the result cannot be written: stdout is closed"),
        ("deephide passphrase -q >/dev/full", 8, "cannot be written: no space left on device"),
        ("deephide passphrase 2>&-", 0, ""),
        ("deephide passphrase 2>/dev/full", 0, ""),
        ("deephide embed --secret - --carrier a.png <&-", 3, "stdin is closed"),
        ("deephide embed --text x --carrier a.png --passphrase-file - <&-", 9, "stdin is closed"),
    ],
)
def test_streams_that_are_closed_or_full(tmp_path, command, status, said):
    if "/dev/full" in command and not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    done = shell(command, tmp_path)
    assert done.returncode == status and said in done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("error:") == (status != 0)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_gone(tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shutil.copy(ROOT / "benchmarks" / "demo_faces" / "face1.png", tmp_path / "a.png")
    command = f"rmdir ../gone && deephide embed --text x --carrier {tmp_path / 'a.png'}"
    done = shell(command, gone)
    assert done.returncode == 8 and "the current folder no longer exists" in done.stderr


# An interrupt as an import begins, whenever that is: the machine may be slow, or the test's parent
# may ignore interrupts.
INTERRUPTED = """
import os, runpy, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
late, sys.argv = sys.argv[1], ["deephide", "doctor"]
class Watch:
    def find_spec(self, name, *_):
        if name == late:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Watch())
runpy.run_module("deephide", run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize(
    "late", ["cli.deephide_app", "click", "numpy", "deephide.doctor", "deephide.inference"]
)
def test_an_interrupt_ends_a_command_in_one_line(tmp_path, late):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED, late],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (130, "deephide: error: interrupted\n")


def test_python_runs_both_packages_as_commands(tmp_path):
    for program in ("deephide", "e2style"):
        done = subprocess.run(
            [sys.executable, "-m", program, "--version"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0 and done.stdout.startswith(program)
