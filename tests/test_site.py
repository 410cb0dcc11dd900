"""The documentation builds without a warning, fetches nothing, and has all that is public."""

import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from files import files_in

ROOT = Path(__file__).resolve().parents[1]
# What a browser fetches by itself; a link that somebody may follow is another matter.
FETCHED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//|"""
    r"""<link\b(?![^>]*rel=["']?canonical)[^>]*\bhref=["']?(?:https?:)?//|"""
    r"""@import\s+(?:url\()?["']?(?:https?:)?//|url\(["']?(?:https?:)?//"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_fetches_nothing_from_elsewhere(site):
    pages = files_in(site, "**/*.html", "**/*.css", least=11)
    for page in pages:
        hit = FETCHED.search(page.read_text(encoding="utf-8"))
        assert not hit, f"{page.relative_to(site)}: {hit and hit[0]}"


def test_copied_sessions_are_the_commands_alone(site):
    """`docs/copy.js` drops what Pygments marks as prompt or output: what is left are commands."""
    page = (site / "tutorial.html").read_text(encoding="utf-8")
    assert re.search(r'<script src="copy\.js', page)
    source = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    sessions = re.findall(r"^```console\n(.*?)^```", source, re.DOTALL | re.MULTILINE)
    shown = re.findall(r'<div class="highlight">.*?</code></pre>', page, re.DOTALL)
    blocks = [block for block in shown if 'class="gp"' in block]
    assert len(blocks) == len(sessions) > 3
    for block, session in zip(blocks, sessions, strict=True):
        left = re.sub(r'<span class="(?:gp|go)">.*?</span>', "", block, flags=re.DOTALL)
        lines = [line.strip() for line in html.unescape(re.sub("<[^>]*>", "", left)).splitlines()]
        typed, goes_on = [], False
        for line in session.splitlines():
            if line.startswith("$ ") or goes_on:
                typed.append(line.removeprefix("$ ").strip())
                goes_on = line.endswith("\\")
        assert [line for line in lines if line] == typed


def test_what_fetches_is_recognised():
    assert FETCHED.search('<script src="https://example.org/a.js"></script>')
    assert FETCHED.search("<link rel=stylesheet href=//example.org/a.css>")
    assert FETCHED.search("@font-face{src:url(https://example.org/a.woff2)}")
    assert not FETCHED.search('<a href="https://example.org/">')


@pytest.mark.parametrize("package", ["deephide", "deephide.lab", "e2style", "stc", "stc.costs"])
def test_the_reference_has_every_public_name(package):
    page = ROOT / "docs" / "reference" / f"{package.partition('.')[0]}.md"
    # A cost function may stand under its module, which has the same name.
    pattern = rf"^::: {re.escape(package)}\.(?:\w+\.)?(\w+)$"
    shown = re.findall(pattern, page.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(importlib.import_module(package).__all__) - {"__version__", "costs"} <= set(shown)


def test_descriptions_of_parameters_are_prose_on_the_page(site):
    page = (site / "reference" / "stc.html").read_text(encoding="utf-8")
    row = re.search(r"<tr[^>]*>(?:(?!</tr>).)*<code>cover_bits</code>.*?</tr>", page, re.DOTALL)
    assert "(n,) integers, values {0, 1}; bits of the cover" in " ".join(row[0].split())


def test_what_only_tests_may_set_is_not_shown(site):
    page = (site / "reference" / "deephide.html").read_text(encoding="utf-8")
    assert "passphrase" in page
    assert "_random" not in page
