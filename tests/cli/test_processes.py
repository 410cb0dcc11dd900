"""Whole processes: start-up, terminals, signals."""

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_model
import processes
import pytest

import deephide
from deephide import staging

ROOT = os.path.dirname(os.path.dirname(deephide.__file__))
HELPERS = os.path.dirname(fake_model.__file__)

DRIVER = """
import sys
sys.path[:0] = [{root!r}, {helpers!r}]
import e2style, fake_model
from deephide.container import crypto
crypto.ARGON2_MEMORY_KIB = 32
e2style.load_for_inference = lambda *_: fake_model.FakeModel()
e2style.fingerprint_of = lambda *_: fake_model.FakeModel().fingerprint
{extra}
from cli.deephide_app import main
main()
"""

# Stop where the stego is written but not verified, and say so.
PAUSE = """
import time
from deephide import pipeline
def pause(*_):
    print("paused", flush=True)
    time.sleep(600)
pipeline.verify = pause
"""

# Stop where the result lies on the disk without its name, or goes to stdout.
HELD = """
import time
from cli.render import Terminal
from deephide.staging import Staged
def hold(*_):
    print("paused", flush=True)
    time.sleep(600)
Staged.publish = Terminal.binary = hold
"""

# The limit comes late, so that numba may still write its cache.
FULL = """
import resource
from deephide import output
write = output.write_together
def limited(*args, **options):
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))
    write(*args, **options)
output.write_together = limited
"""

SLOW = """
import time
from deephide import models
models.agreement = lambda *_: time.sleep(1) or 99
"""

EMBED = ("embed", "--secret", "face.png", "--carrier", "photo.png")


@pytest.fixture
def command(folder):
    def build(*arguments, extra=""):
        code = DRIVER.format(root=ROOT, helpers=HELPERS, extra=extra)
        return [sys.executable, "-c", code, *arguments]

    return build


def talk(arguments, answers, timeout=1200):
    """Run on a pseudo-terminal; answer each prompt; return the exit status and what was shown."""
    terminal, inside = pty.openpty()
    streams = {"stdin": inside, "stdout": inside, "stderr": inside}
    process = processes.start(arguments, terminal=True, **streams)
    os.close(inside)
    shown, answers, asked = b"", list(answers), 0
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other side is closed
            break
        if not piece:
            break
        shown += piece
        if answers and shown.count(b"assphrase") > asked and shown.rstrip().endswith(b":"):
            asked = shown.count(b"assphrase")
            os.write(terminal, answers.pop(0).encode() + b"\n")
    status = process.wait(timeout)
    os.close(terminal)
    return status, shown.decode()


def test_help_is_quick_and_loads_nothing_heavy():
    code = (
        f"import sys; sys.path.insert(0, {ROOT!r})\n"
        "from cli.deephide_app import main\n"
        "try:\n    main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'numba', 'scipy', 'PIL', 'numpy', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    spent = []
    for _ in range(3):  # the first one may have to write byte code
        before = os.times()
        done = subprocess.run(
            [sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and "Usage" in done.stdout, done.stderr
        after = os.times()
        spent.append(after.children_user + after.children_system)
        spent[-1] -= before.children_user + before.children_system
    # Of the processor, not of the clock: other work may share the machine. Usually 0.1.
    assert min(spent) < 1


def temporary_names():
    """How many names a file takes here before it gets its own: none, where the system can."""
    staged = staging.Staged(Path("probe"), 0o600)
    staged.write(b"")
    named = len(list(Path().glob(".*.part.png")))
    staged.discard()
    return named


def stop(arguments, number, temporary):
    """Run until "paused" is printed, count the new files, send a signal; return the exit status."""
    before = sorted(os.listdir())
    process = processes.start(arguments)
    assert process.stdout.readline() == "paused\n"
    assert len(os.listdir()) == len(before) + temporary
    process.send_signal(number)
    _, said = process.communicate(timeout=600)
    assert "Traceback" not in said
    assert sorted(os.listdir()) == before
    return process.returncode


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        (signal.SIGHUP, 129),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGQUIT, 131, marks=pytest.mark.slow),
    ],
)
def test_a_signal_in_the_middle_leaves_no_file(command, number, status):
    assert stop(command(*EMBED, extra=PAUSE), number, temporary_names()) == status


def test_a_signal_in_the_middle_leaves_no_secret(command, run, monkeypatch):
    assert run(*EMBED).exit_code == 0
    monkeypatch.setenv("TMPDIR", os.getcwd())
    assert (
        stop(command("extract", "stego.png", extra=HELD), signal.SIGHUP, temporary_names()) == 129
    )
    # What goes to stdout has no file at all.
    to_stdout = command("extract", "stego.png", "-o", "-", extra=HELD)
    assert stop(to_stdout, signal.SIGHUP, temporary=0) == 129


def test_issue_16_a_killed_process_leaves_no_secret(command, run):
    assert run(*EMBED).exit_code == 0
    if temporary_names():
        pytest.skip("files have a temporary name here")
    assert stop(command("extract", "stego.png", extra=HELD), signal.SIGKILL, 0) == -signal.SIGKILL


def test_a_reader_that_leaves_is_no_error(command):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        command("capacity", "photo.png", "-q"),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=1200,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, "")


def test_nohup_is_obeyed(command):
    """Whoever ignores SIGHUP goes on ignoring it."""
    shown = "import signal; print(signal.getsignal(signal.SIGHUP) is signal.SIG_IGN)"
    late = f"import atexit; atexit.register(lambda: exec({shown!r}))"
    code = command("--version", extra=late)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, signal, sys\n"
            "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nos.execv(sys.argv[1], sys.argv[1:])",
            *code,
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )
    assert done.stdout.endswith("True\n")


def test_a_full_disk_is_said_and_leaves_no_file(command):
    """No file may grow beyond 4,000 bytes, which the stego does."""
    before = sorted(os.listdir())
    done = subprocess.run(
        command(*EMBED, extra=FULL), capture_output=True, text=True, check=False, timeout=1200
    )
    assert done.returncode == 8, done.stderr
    assert "stego.png cannot be written: file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(os.listdir()) == before


def test_a_terminal_is_asked_for_passphrases_and_told_the_stage(command, run):
    status, shown = talk(command(*EMBED, "-p", extra=SLOW), ["zebra lamp", "zebra lamp"])
    assert status == 0 and "stego.png" in shown and "zebra" not in shown
    assert "inverting" in shown  # the work takes longer than half a second
    done = run("extract", "stego.png", "--passphrase-file", "-", input="zebra lamp")
    assert done.exit_code == 0 and os.path.exists("secret.png")


def test_different_passphrases_are_refused(command):
    status, shown = talk(command(*EMBED, "-p"), ["zebra", "cobra"])
    assert status == 9 and "the two passphrases differ" in shown


def test_pictures_are_not_written_to_a_terminal(command):
    status, shown = talk(command(*EMBED, "-o", "-"), [])
    assert status == 8 and "not written to a terminal" in shown
