"""`deephide ui` as a process: its address, its end, and what it says when it cannot start."""

import json
import os
import signal
import sys
import urllib.request

import processes
import pytest

import deephide

ROOT = os.path.dirname(os.path.dirname(deephide.__file__))
START = "from cli.deephide_app import main; main()"
SECONDS = 120  # the machine may be busy with something else


def start(*arguments, before=""):
    environment = {**os.environ, "PYTHONPATH": ROOT}
    command = [sys.executable, "-c", f"{before}\n{START}", "ui", *arguments]
    return processes.start(command, env=environment)


@pytest.fixture(autouse=True)
def needs_the_extra():
    pytest.importorskip("starlette", reason="the extra ui is not installed")
    pytest.importorskip("uvicorn", reason="the extra ui is not installed")


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 0), (signal.SIGTERM, 143)])
def test_it_prints_its_address_and_ends_when_told(number, status):
    with start("--no-browser", "--json") as process:
        found = json.loads(process.stdout.readline())
        assert found["ok"] and found["url"].startswith("http://127.0.0.1:")
        with urllib.request.urlopen(found["url"], timeout=SECONDS) as answer:
            assert b"<title>deephide</title>" in answer.read()
        process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out, err) == (status, "", "")


def test_a_port_that_is_taken_is_told():
    from cli.ui.server import listen

    with listen() as taken:
        port = taken.getsockname()[1]
        with start("--no-browser", "--port", str(port)) as process:
            out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"deephide: error: port {port} cannot be used: address already in use\n")


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(missing):
    with start("--no-browser", before=f"import sys; sys.modules[{missing!r}] = None") as process:
        out, err = process.communicate(timeout=SECONDS)
    assert (process.returncode, out) == (2, "")
    assert f"the page needs {missing}; install the extra: pip install 'deephide[ui]'" in err
