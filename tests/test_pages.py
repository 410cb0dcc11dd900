"""Blocks of every page, run or, where something is missing, checked against the program.

`console` and `python` blocks run in the order of the page, in a folder of the page's own. Output
that is shown is what appears, digits apart. A comment `<!-- needs: X -->` before a block keeps it
from being run: if X is a module, only where that is missing. What does not run, and every line of
an `sh` block, must still name commands, options, targets and functions that exist. A block with a
title is a file of that name.
"""

import ast
import importlib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner
from files import files_in

from cli import deephide_app, e2style_app

ROOT = Path(__file__).resolve().parents[1]
APPS = {"deephide": deephide_app.app, "e2style": e2style_app.app}
PAGES = files_in(ROOT, "README.md", "docs/**/*.md", least=10)
FENCE = re.compile(
    r"(?:^<!-- needs: (?P<needs>.+?) -->\n\n?)?"
    r"^```(?P<language>\w+)(?: title=\"(?P<title>[^\"]+)\")?\n(?P<code>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    language: str
    code: str
    needs: str
    title: str

    @property
    def runs(self):
        missing = self.needs and (
            not self.needs.isidentifier() or importlib.util.find_spec(self.needs) is None
        )
        return self.language in {"console", "python"} and not missing


def _blocks(page):
    text = page.read_text(encoding="utf-8")
    blocks = [Block(**match.groupdict("")) for match in FENCE.finditer(text)]
    # Doctests, which docs/stc.md has, are run with those of the code in tests/stc/test_package.py.
    return [block for block in blocks if not block.code.startswith(">>>")]


def _name(page):
    return page.relative_to(ROOT).as_posix()


RUNNING = [page for page in PAGES if any(block.runs for block in _blocks(page))]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with the pictures that the pages speak of."""
    import skimage.data

    photos = Path(skimage.data.__file__).parent
    faces = ROOT / "benchmarks" / "demo_faces"
    shutil.copy(faces / "face1.png", tmp_path / "face.png")
    shutil.copy(faces / "face2.png", tmp_path / "other.png")
    shutil.copy(photos / "astronaut.png", tmp_path / "portrait.png")
    shutil.copy(photos / "coffee.png", tmp_path / "photo.png")
    demo = tmp_path / "demo"  # with what `make demo` leaves there
    demo.mkdir()
    shutil.copy(photos / "astronaut.png", demo / "portrait.png")
    shutil.copy(photos / "coffee.png", demo / "photo.png")
    shutil.copy(photos / "rocket.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("page", RUNNING, ids=_name)
def test_the_page_does_what_it_shows(page, place):
    names = {}
    for block in _blocks(page):
        if block.title:
            (place / block.title).write_text(block.code, encoding="utf-8")
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile(block.code, _name(page), "exec"), names)
            continue
        for command, expected in _sessions(block.code):
            status, output = _run(command, place)
            assert status == 0, f"{command}\n{output}"
            if expected:
                # Said once on every machine, and on no page.
                shown = [s for s in output.splitlines() if "compiling the coder" not in s]
                assert [_masked(s) for s in shown] == [_masked(e) for e in expected], command


def _run(command, place):
    """Run a command to its end; return its status, and what it said before what it printed.

    A command that needs no shell runs in this process, where the networks are loaded already.
    """
    program, *words = shlex.split(command)
    if program in APPS and not re.search(r"[|&;<>$]", command):
        done = CliRunner().invoke(APPS[program], words, env={"COLUMNS": "80"})
        return done.exit_code, done.stderr + done.stdout
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "80"}
    shell = subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    return shell.returncode, shell.stderr + shell.stdout


def _sessions(code):
    """Yield each command with the output lines that follow it."""
    for session in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, *output = session.replace("\\\n", " ").splitlines()
        yield command, [line for line in output if line]


def _masked(line):
    """Numbers differ from run to run, since every file has a fresh salt."""
    return re.sub(r"[\d.]+", "N", line)


def _commands(block):
    if block.language == "console":
        lines = [command for command, _ in _sessions(block.code)]
    else:
        lines = block.code.replace("\\\n", " ").splitlines()
    for line in lines:
        words = shlex.split(line.partition("…")[0] + " ", comments=True)
        for program in {"make", *APPS} & set(words):
            at = words.index(program)
            if at == 0 or not words[at - 1].startswith("-"):  # such as `--scheme e2style`
                yield words[at:]


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_what_is_not_run_exists_all_the_same(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "benchmarks").symlink_to(ROOT / "benchmarks")  # presets, named from the root
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in _blocks(page):
        if block.language in {"sh", "console"} and not block.runs:
            for program, *words in _commands(block):
                if program == "make":
                    assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE), words
                else:
                    _check_command(APPS[program], words)
        elif block.language == "python" and not block.runs:
            _check_names(ast.parse(block.code))


def _check_command(app, words):
    """Parse a command line as the program would; trainings are resolved as a whole."""
    if words[:1] == ["train"] and "--data" in words:
        done = CliRunner().invoke(app, [*words, "--dry-run"])
        assert done.exit_code == 0, f"{words}: {done.output}"
        return
    while isinstance(app, click.Group) and words and not words[0].startswith("-"):
        name, *words = words
        assert name in app.commands, f"no command {name}"
        app = app.commands[name]
    app.make_parser(click.Context(app, help_option_names=["-h", "--help"])).parse_args(list(words))


def _check_names(tree):
    """Hold every name that a program takes from these packages against them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            path = ast.unparse(node)
            if re.fullmatch(r"(?:deephide|e2style|stc)(?:\.\w+)+", path):
                found = importlib.import_module(path.partition(".")[0])
                for name in path.split(".")[1:]:
                    found = getattr(found, name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), node.module


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_block_is_overlooked(page):
    text = page.read_text(encoding="utf-8")
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(FENCE.findall(text))


def test_a_page_that_is_wrong_is_noticed():
    assert {ROOT / "README.md", ROOT / "docs" / "tutorial.md"} <= set(RUNNING)
    with pytest.raises(click.NoSuchOption):
        _check_command(APPS["deephide"], ["embed", "--sekret", "face.png"])
    with pytest.raises(AssertionError):
        _check_command(APPS["e2style"], ["paint"])
    with pytest.raises(AttributeError):
        _check_names(ast.parse("import stc\nstc.encode(1)"))
    assert _masked("hid 12 bits (7.5 dB)") == "hid N bits (N dB)"
