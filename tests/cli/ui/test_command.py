"""`deephide ui` as a process: its address, its end, and what it says when it cannot start."""

import ast
import json
import os
import re
import signal
import sys
import urllib.parse
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
    assert err.splitlines() == [
        f"deephide: error: the page needs {missing}",
        "deephide: hint: install the extra: pip install 'deephide[ui]'",
    ]


# A browser that says what it was started with, and what the file holds that it is to open.
BROWSER = """
import os, stat, urllib.parse, urllib.request, webbrowser
os.environ["DISPLAY"] = ":0"
def open_(url):
    path = urllib.parse.urlsplit(url).path
    told = [url, oct(stat.S_IMODE(os.stat(path).st_mode)), open(path).read()]
    told.append(oct(stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode)))
    print(told, flush=True)
webbrowser.open = open_
"""


@pytest.mark.skipif(os.name != "posix", reason="signals and rights of POSIX")
def test_issue_16_a_browsers_command_line_opens_nothing():
    with start("--json", before=BROWSER) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        (found,) = (json.loads(line) for line in lines if line.startswith("{"))
        (told,) = (ast.literal_eval(line) for line in lines if line.startswith("["))
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=SECONDS)
    url, mode, page, folder_mode = told
    token = found["url"].split("/")[3]
    assert url.startswith("file:///") and token not in url
    assert (mode, folder_mode) == ("0o600", "0o700")
    once = re.search(r'url=(http://127\.0\.0\.1:\d+/[\w-]{43})"', page)[1]
    assert token not in page and once.rsplit("/", 1)[1] not in url
    assert not os.path.exists(urllib.parse.urlsplit(url).path)
