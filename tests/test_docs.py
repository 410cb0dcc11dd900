"""Documents against the project: figures, tables, links, names and images."""

import dataclasses
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from files import files_in

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", files_in(ROOT, "*.md", "docs/**/*.md"))
def test_links_inside_the_project_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", files_in(ROOT, "*.md", "docs/**/*.md"))
def test_scripts_that_a_page_names_exist(path):
    for script in re.findall(r"\b(?:benchmarks|docs)/\w+\.py\b", path.read_text(encoding="utf-8")):
        assert (ROOT / script).exists(), f"{path.name}: {script}"


PACKAGES = "deephide|e2style|stc|cli|recipes|benchmarks|tests|docs"


def _missing(text, page):
    """Return the files, folders, modules and names of this project in code spans that are not."""
    missing = []
    # A stub such as `name.part.png` is no module, and `e2style count` is a command.
    for span in re.findall(r"`([^`\s]+)`", text):
        if re.fullmatch(rf"(?:{PACKAGES})(?:/[\w.-]+)+/?", span):
            if not ((ROOT / span).exists() or (page.parent / span).exists()):
                missing.append(span)
        elif re.fullmatch(r"(?:deephide|e2style|stc|cli)(?:\.\w+)+(?:\(\))?", span):
            try:
                pkgutil.resolve_name(span.removesuffix("()"))
            except (ImportError, AttributeError):
                missing.append(span)
    return missing


@pytest.mark.parametrize("path", files_in(ROOT, "*.md", "docs/**/*.md", "recipes/*.md"))
def test_modules_and_files_that_a_page_names_exist(path):
    text = path.read_text(encoding="utf-8")
    if path.name == "CHANGELOG.md":  # older releases name what they had
        text = text.partition("\n## [")[2].partition("\n## [")[0]
    assert not _missing(text, path)


def test_a_module_that_is_gone_is_noticed():
    gone = "`stc.codec.embed`, `stc.trellis`, `deephide/covers/`, `deephide/carriers.py`"
    assert _missing(gone, ROOT / "README.md") == ["stc.trellis", "deephide/carriers.py"]


def test_the_model_page_is_that_of_the_shipped_models():
    import e2style
    from e2style.checkpoints.shipped import RESTORERS, SHIPPED

    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name, (_, digest) in (SHIPPED | RESTORERS).items():
        model = e2style.load(name)
        assert digest in page
        assert model.fingerprint.hex() in page
        card = dataclasses.asdict(model.card)
        for field in ("train_data", "licence", "intended_use", "limits", "hardware"):
            assert " ".join(str(card[field]).split()) in " ".join(page.split()), field
        for value in card["metrics"].values():
            assert str(value) in page


def test_the_figures_of_the_readme_are_those_of_the_default_model():
    import e2style

    model = e2style.load()
    figures = model.card.metrics
    text = " ".join(README.split())
    for shown in (
        f"**{figures['bytes, everything counted']:.0f} bytes**",
        f"**{figures['PSNR in dB at 256 px']:.2f} dB**",
        f"dlib distance of **{figures['mean dlib distance']:.2f}**",
        f"| `{model.name}` (default) | {model.output_size} × {model.output_size} faces |",
    ):
        assert shown in text, shown


def test_the_citation_is_that_of_this_version():
    import deephide

    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    released = re.search(r"^date-released: (\S+)$", text, re.MULTILINE)[1]
    assert f"\nversion: {deephide.__version__}\n" in text
    assert f"\n## [{deephide.__version__}] - {released}\n" in changes


def test_every_picture_is_made_by_a_script_and_shown():
    makers = [*files_in(ROOT, "docs/make_*.py", "benchmarks/*.py"), ROOT / "Makefile"]
    scripts = "".join(path.read_text(encoding="utf-8") for path in makers)
    pages = "".join(path.read_text(encoding="utf-8") for path in files_in(ROOT, "docs/**/*.md"))
    for path in files_in(ROOT / "docs" / "pictures", "*"):
        assert path.name in scripts, path.name
        assert f"pictures/{path.name})" in pages + README, path.name


def test_the_directions_that_ship_are_those_of_the_default_model_and_of_the_page():
    import e2style
    from e2style.applications.directions import FOLDER
    from e2style.checkpoints.tensors import read_tensors

    page = (ROOT / "docs" / "applications.md").read_text(encoding="utf-8")
    for file in files_in(FOLDER, "*.safetensors"):
        header, _ = read_tensors(file)
        assert header["fingerprint"] == e2style.fingerprint_of().hex(), file.name
        assert f"| {header['name']} |" in page


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
