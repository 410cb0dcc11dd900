"""Completions, asked of the shells themselves."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import deephide

ROOT = Path(deephide.__file__).parents[1]

# Asks bash's own machinery: the words, the place of the cursor, and the function that was bound.
BASH = """
eval "$({program} completion bash)"
COMP_WORDS=({words}"")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ COMPREPLY+=("files:$2"); }}
bound=$(complete -p {program} | sed 's/.* -F \\([^ ]*\\) .*/\\1/')
$bound {program}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """Run a script in a shell that finds the commands, in a folder with one file."""
    for program in ("deephide", "e2style"):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{sys.executable}\nimport sys; sys.path.insert(0, {str(ROOT)!r})\n"
            f"from cli.{program}_app import main\nmain()\n"
        )
        path.chmod(0o755)
    place = tmp_path / "place"
    place.mkdir()
    (place / "süß photo.png").touch()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")

    def run(name, script, *options):
        if shutil.which(name) is None:
            pytest.skip(f"there is no {name} here")
        done = subprocess.run(
            [name, *options, "-c", script], cwd=place, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0 and "error" not in done.stderr, done.stderr
        return done.stdout.splitlines()

    return run


@pytest.mark.parametrize(
    ("program", "words", "wanted"),
    [
        ("deephide", "", {"embed", "extract", "capacity", "models", "completion"}),
        ("deephide", "embed --codec ", {"auto", "latent", "image", "file", "paper"}),
        ("deephide", "embed --carrier ", {"files:default"}),
        ("deephide", "extract ", {"files:default"}),
        ("deephide", "embed --compare-with ", {"files:dirnames"}),
        ("deephide", "capacity photo.png --model ", {"files:default", "face256"}),
        ("e2style", "", {"train", "export", "evaluate", "completion"}),
        ("e2style", "completion ", {"bash", "zsh", "fish"}),
    ],
)
def test_bash_completes(shell, program, words, wanted):
    given = " ".join(f"'{word}'" for word in (program, *words.split()))
    found = set(shell("bash", BASH.format(program=program, words=given + " "), "--norc"))
    assert wanted <= found


def test_zsh_binds_what_it_is_given(shell):
    script = 'autoload -U compinit; compinit -u -D; eval "$(deephide completion zsh)"; '
    assert shell("zsh", script + "echo $_comps[deephide]", "-f") == ["_deephide_completion"]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [("deephide ca", "capacity"), ("deephide embed --codec la", "latent")],
)
def test_fish_completes(shell, line, wanted):
    script = f'deephide completion fish | source; complete -C "{line}"'
    assert [found.split("\t")[0] for found in shell("fish", script)] == [wanted]


def test_fish_completes_names_that_are_not_ascii(shell):
    script = 'deephide completion fish | source; complete -C "deephide extract s"'
    assert shell("fish", script) == ["süß photo.png"]


def test_other_shells_are_refused_by_name(run):
    done = run("completion", "tcsh")
    assert done.exit_code == 2 and "'tcsh' is not one of 'bash', 'zsh', 'fish'" in done.stderr
