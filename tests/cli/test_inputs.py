"""Secrets, carriers and stegos that are no files: stdin, pipes, texts; folders as outputs."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEY = ("--passphrase-file", "key.txt")


@pytest.fixture(autouse=True)
def key(folder):
    (folder / "key.txt").write_text("correct horse battery staple\n")


def piped(path, data):
    """Make a named pipe that somebody writes into."""
    os.mkfifo(path)

    def write():
        with open(path, "wb") as stream:
            stream.write(data)

    threading.Thread(target=write, daemon=True).start()
    return path


def embedded(run, *arguments, **options):
    done = run("embed", *arguments, *KEY, "--codec", "file", "--force", **options)
    assert done.exit_code == 0, done.output
    return done


def test_a_secret_comes_through_stdin(run, folder):
    embedded(run, "--secret", "-", "--carrier", "photo.png", input=b"\x00from a pipe")
    assert run("extract", "stego.png", *KEY).stdout == "secret.bin\n"
    assert (folder / "secret.bin").read_bytes() == b"\x00from a pipe"


def test_a_carrier_and_a_stego_come_through_stdin(run, folder):
    photo = (folder / "photo.png").read_bytes()
    embedded(run, "--secret", "key.txt", "--carrier", "-", "--no-name", input=photo)
    stego = (folder / "stego.png").read_bytes()
    done = run("extract", "-", *KEY, "-o", "back.txt", input=stego)
    assert done.exit_code == 0 and Path("back.txt").read_bytes() == Path("key.txt").read_bytes()
    done = run("capacity", "-", input=photo)
    assert done.exit_code == 0 and "safe" in done.stdout


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_everything_may_be_a_pipe(run, folder):
    photo = piped(folder / "photo.pipe", (folder / "photo.png").read_bytes())
    embedded(run, "--secret", piped(folder / "a.pipe", b"\x01x"), "--carrier", photo)
    stego = piped(folder / "stego.pipe", (folder / "stego.png").read_bytes())
    assert run("extract", stego, *KEY, "-o", "back.bin").exit_code == 0
    assert (folder / "back.bin").read_bytes() == b"\x01x"


def test_dev_stdin_of_a_process_is_read_once(folder):
    code = "import sys; from cli.inputs import read_input; print(len(read_input(*sys.argv[1:])))"
    for name in ("-", "/dev/stdin"):
        done = subprocess.run(
            [sys.executable, "-c", code, name, "secret"],
            input=b"12345",
            capture_output=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, b"5\n"), done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--secret", "-", "--carrier", "-"), "--secret and --carrier cannot both be stdin"),
        (("--secret", "-", "--passphrase-file", "-"), "cannot both be stdin"),
        ((), "either --secret or --text"),
        (("--secret", "face.png", "--text", "x"), "either --secret or --text"),
        (("--text", ""), "--text is empty"),
        (("--text", "x", "--codec", "image"), "--text has no effect with --codec image"),
        (("--text", "x", "--preview", "p.png"), "--preview shows an image"),
        (("--secret", "face.png", "--name", "a", "--no-name"), "exclude one another"),
    ],
)
def test_what_cannot_be_meant_is_refused(run, arguments, said):
    if "--carrier" not in arguments:
        arguments += ("--carrier", "photo.png")
    done = run("embed", *arguments, input=b"x")
    assert done.exit_code == 2 and said in done.stderr
    assert not Path("stego.png").exists()


def test_an_empty_pipe_is_an_input_error(run):
    done = run(
        "embed", "--secret", "-", "--carrier", "photo.png", "--codec", "file", *KEY, input=b""
    )
    assert done.exit_code == 3
    assert "the secret is empty: nothing came through the pipe" in done.stderr


def test_a_text_comes_back_as_a_text(run, folder):
    done = run("embed", "--text", "Grüße, um neun", "--carrier", "photo.png", *KEY)
    assert done.exit_code == 0 and "codec file" in done.stderr
    done = run("extract", "stego.png", *KEY, "-o", "-")
    assert done.stdout == "Grüße, um neun"
    assert run("extract", "stego.png", *KEY).stdout == "secret.txt\n"
    assert (folder / "secret.txt").read_text(encoding="utf-8") == "Grüße, um neun"


def test_a_file_keeps_its_name_or_gets_another(run_json):
    for options, name in (((), "key.txt"), (("--name", "../plan b.md"), "plan b.md")):
        secret = ("--secret", "key.txt", "--carrier", "photo.png", "--force", "--codec", "file")
        assert run_json("embed", *secret, *options, *KEY)[1]["ok"]
        Path("out").mkdir(exist_ok=True)
        done, said = run_json("extract", "stego.png", *KEY, "-o", "out/")
        assert done.exit_code == 0
        assert (said["name"], said["output"]) == (name, str(Path("out", name)))
    # What the sender called it replaces nothing here, not even with --force.
    before = Path("key.txt").read_bytes()
    embed = ("embed", "--secret", "key.txt", "--carrier", "photo.png", "--force", "--codec", "file")
    run_json(*embed, *KEY)
    done, said = run_json("extract", "stego.png", *KEY, "--force")
    assert done.exit_code == 8 and "key.txt" in said["error"]["message"]
    assert Path("key.txt").read_bytes() == before


def test_a_folder_gets_a_name_that_tells_nothing(run, folder):
    (folder / "out").mkdir()
    for number, output in enumerate(("out", "out/", "./out/."), 1):
        done = embedded(run, "--secret", "key.txt", "--carrier", "photo.png", "-o", output)
        assert Path(done.stdout.strip()) == Path("out", f"photo-{number}.png")
    assert run("keygen", "-o", "out").exit_code == 0 and Path("out", "identity.txt").is_file()
    done = run("embed", "--text", "x", "--carrier", "photo.png", "-o", "no/", *KEY)
    assert done.exit_code == 8 and "the folder no does not exist" in done.stderr
