"""Names that are not ASCII, not UTF-8, or not allowed on Windows."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deephide
from deephide.formats import names as file_names

ROOT = Path(deephide.__file__).parents[1]
NAMES = ["süß 写真 .png", "dir\\name.png", "-x.png", "🙂.png", "e\u0301.png"]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_works_in_every_place(run, name):
    os.rename("photo.png", f"carrier {name}")
    os.rename("face.png", f"secret {name}")
    os.mkdir(f"folder {name}")
    Path(f"key {name}").write_bytes(bytes(range(64)))
    Path(f"pass {name}").write_text("zebra")
    keys = (f"--key-file=key {name}", f"--passphrase-file=pass {name}")
    stego = f"folder {name}/{name}"
    inputs = (f"--secret=secret {name}", f"--carrier=carrier {name}")
    done = run("embed", *inputs, f"--output={stego}", f"--preview=seen {name}", *keys)
    assert (done.exit_code, done.stdout) == (0, f"{stego}\n"), done.stderr
    done = run("extract", *keys, f"--output=back {name}", "--", stego)
    assert (done.exit_code, done.stdout) == (0, f"back {name}\n"), done.stderr
    assert Path(f"back {name}").read_bytes() == Path(f"seen {name}").read_bytes()
    missing = run("extract", "--json", "--", f"no {name}")
    assert f"no {name}" in json.loads(missing.stdout)["error"]["message"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_text_are_shown_and_written_all_the_same(run_json):
    name = os.fsdecode(b"\xff\xfe.png")
    os.rename("photo.png", name)
    arguments = ("--secret", "face.png", "--carrier", name, "-o", f"stego {name}")
    done, found = run_json("embed", *arguments)
    assert done.exit_code == 0 and found["output"] == f"stego {name}"
    assert os.path.exists(os.fsencode(found["output"]))


@pytest.mark.parametrize("encoding", ["cp1252", "cp932"])
def test_a_terminal_that_cannot_show_a_name_fails_nothing(folder, encoding):
    """Neither of them has all of these letters, and both are what Windows pipes text in."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom cli.deephide_app import main; main()"
    )
    name = "süß 写真.png"
    Path("notes.txt").write_text("short")
    arguments = ("--secret", "notes.txt", "--carrier", "photo.png", "--codec", "file", "-o", name)
    done = subprocess.run(
        [sys.executable, "-c", code, "embed", *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding},
    )
    assert done.returncode == 0 and os.path.exists(name), done.stderr
    assert done.stdout == name.encode(encoding, "backslashreplace") + os.linesep.encode()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("NUL", "keeps the name NUL for a device"),
        ("con.png", "keeps the name con.png for a device"),
        ("C:\\pictures\\aux .tar.png", "keeps the name aux .tar.png for a device"),
        ("Com¹.png", "for a device"),
        ("lpt9", "for a device"),
        ("conin$", "for a device"),
        ("a?.png", "allows no '?' in the name a?.png"),
        ("x.png:stream", "allows no ':'"),
        ("a\tb.png", "allows no '\\t'"),
        ("folder./x.png", "drops the end of the name folder."),
        ("x.png ", "drops the end"),
    ],
)
def test_what_windows_cannot_store_is_refused_there_alone(run, monkeypatch, path, said):
    assert file_names.refusal(path) is None
    monkeypatch.setattr(file_names, "WINDOWS", True)
    assert said in file_names.refusal(path)
    before = sorted(os.listdir())
    done = run("embed", "--secret", "face.png", "--carrier", "photo.png", "-o", path)
    assert done.exit_code == 8 and said in done.stderr
    done = run("embed", "--secret", path, "--carrier", "photo.png")
    assert done.exit_code == 3 and said in done.stderr and done.stderr.count("error") == 1
    done = run("keygen", "-o", path)
    assert done.exit_code == 8 and said in done.stderr
    assert sorted(os.listdir()) == before


@pytest.mark.parametrize(
    "path",
    [
        "süß 写真.png",
        "C:\\Users\\me\\My Pictures\\a.png",
        "\\\\server\\share\\a.png",
        "..\\console.png",
        "C:a.png",
        "comet1.png",
        "nul_.png",
    ],
)
def test_what_windows_can_store_is_not_refused(monkeypatch, path):
    monkeypatch.setattr(file_names, "WINDOWS", True)
    assert file_names.refusal(path) is None
