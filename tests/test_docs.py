"""The documents say what is so: README commands run, tables match the code."""

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FACE = ROOT / "benchmarks" / "demo_faces" / "face1.png"


def _blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def place(tmp_path):
    """A folder with the files that the README speaks of, and the commands on the path."""
    import skimage.data

    photos = Path(skimage.data.__file__).parent
    shutil.copy(FACE, tmp_path / "face.png")
    shutil.copy(photos / "coffee.png", tmp_path / "photo.png")
    return tmp_path


def _run(command, place):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "COLUMNS": "80"}
    return subprocess.run(
        command, shell=True, cwd=place, env=environment, capture_output=True, text=True, check=False
    )


def test_every_command_of_the_readme_works(place):
    commands = [
        (line[2:], list(rest)) for block in _blocks("console") for line, rest in _sessions(block)
    ]
    assert len(commands) >= 4
    for command, expected in commands:
        done = _run(command, place)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        if expected:
            shown = (done.stderr + done.stdout).splitlines()
            # Said once on every machine, and in the README not at all.
            shown = [line for line in shown if "compiling the coder" not in line]
            assert [_masked(s) for s in shown] == [_masked(e) for e in expected], command


def _sessions(block):
    """Yield each `$ ` line with the output lines that follow it."""
    current, output = None, []
    for line in block.splitlines():
        if line.startswith("$ "):
            if current:
                yield current, output
            current, output = line, []
        elif line:
            output.append(line)
    if current:
        yield current, output


def _masked(line):
    """Numbers differ from run to run, since every file has a fresh salt."""
    return re.sub(r"[\d.]+", "N", line)


def test_the_python_of_the_readme_runs(place):
    program = "\n".join(_blocks("python"))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (place / "recovered.png").exists()


def test_the_training_commands_of_the_readme_resolve(place):
    lines = [r for b in _blocks("sh") for r in b.splitlines() if r.startswith("e2style train")]
    assert lines
    for line in lines:
        done = _run(f"{line} --dry-run", place)
        assert done.returncode == 0, f"{line}\n{done.stderr}"


def test_make_targets_of_the_readme_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make (\w+)", README, re.MULTILINE))
    assert {"demo", "test"} <= named
    for target in named:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]))
def test_links_inside_the_project_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_the_model_page_is_that_of_the_shipped_model():
    import e2style
    from e2style import zoo

    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name in e2style.names():
        model = e2style.load(name)
        assert zoo.SHIPPED[name][1] in page
        assert model.fingerprint.hex() in page
        card = dataclasses.asdict(model.card)
        for field in ("train_data", "licence", "intended_use", "limits", "hardware"):
            assert " ".join(str(card[field]).split()) in " ".join(page.split()), field
        for value in card["metrics"].values():
            assert str(value) in page


def test_exit_codes_are_documented():
    from cli.exit_codes import ExitCode

    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    for code in ExitCode:
        assert re.search(rf"^\| {int(code)} \|", page, re.MULTILINE), code


@pytest.mark.parametrize("program", ["deephide", "e2style"])
def test_the_command_page_is_what_help_prints(program):
    page = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    help_text = subprocess.run(
        [sys.executable, ROOT / "docs" / "make_cli.py", "--print", program],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert json.dumps(help_text)[1:-1] in json.dumps(page)


def test_the_pitfalls_name_tests_and_files_that_exist():
    text = (ROOT / "docs" / "pitfalls.md").read_text(encoding="utf-8")
    assert re.findall(r"^(\d+)\. \*\*", text, re.MULTILINE) == [str(n) for n in range(1, 20)]
    named = re.findall(r"`((?:tests|deephide|stc|benchmarks)/[\w/.]+)(?:::(\w+))?`", text)
    assert len(named) > 30
    for path, test in named:
        source = (ROOT / path).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in source, f"{path}::{test}"
