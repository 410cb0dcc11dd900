"""The rules of the tree, as tests: who imports what, how long files are, what is public."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cli", "deephide", "e2style", "stc")
ALLOWED = {
    "stc": {"numpy", "scipy", "numba", "llvmlite", "stc"},
    "e2style": {
        "torch",
        "numpy",
        "PIL",
        "safetensors",
        "torchmetrics",
        "jinja2",
        "imageio_ffmpeg",
        "e2style",
    },
    "deephide": {
        "stc",
        "e2style",
        "numpy",
        "PIL",
        "cryptography",
        "constriction",
        "zstandard",
        "deephide",
    },
    "cli": {"click", "rich", "starlette", "uvicorn", "deephide", "e2style", "cli"},
}
LAZY = {
    "deephide": {"torch", "e2style", "jinja2", "matplotlib", "ray"},
    "cli": {"PIL"},
    "stc": set(),
    "e2style": set(),
}
MAX_LINES = 420


def _files(package):
    return sorted((ROOT / package).rglob("*.py"))


def _imports(tree, *, top_level_only=False):
    nodes = tree.body if top_level_only else ast.walk(tree)
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_they_may(package):
    allowed = ALLOWED[package] | LAZY[package] | set(sys.stdlib_module_names)
    for path in _files(package):
        found = set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
        assert found <= allowed, f"{path}: {sorted(found - allowed)}"


def test_heavy_packages_are_imported_late_in_deephide():
    for path in _files("deephide"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assert not set(_imports(tree, top_level_only=True)) & LAZY["deephide"], path


def test_cryptography_has_one_door():
    doors = [
        path.name
        for package in PACKAGES
        for path in _files(package)
        if "cryptography" in set(_imports(ast.parse(path.read_text(encoding="utf-8"))))
    ]
    assert doors == ["crypto.py"]


def _loaded_after(code, names):
    program = f"import sys\n{code}\nprint([n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return ast.literal_eval(done.stdout.splitlines()[-1])


HEAVY = ["starlette", "uvicorn", "torch", "numba", "scipy", "PIL", "constriction", "zstandard"]


@pytest.mark.parametrize("module", ["cli.deephide_app", "cli.e2style_app", "deephide", "stc"])
def test_imports_stay_light(module):
    assert _loaded_after(f"import {module}", HEAVY) == []


def test_the_check_for_light_imports_can_fail():
    assert _loaded_after("import PIL.Image", HEAVY) == ["PIL"]


@pytest.mark.parametrize("package", PACKAGES)
def test_files_hold_one_thing(package):
    for path in _files(package):
        lines = len(path.read_text(encoding="utf-8").splitlines())
        assert lines <= MAX_LINES, f"{path} has {lines} lines"


def _ruff_order(name):
    """Constants, then classes, then the rest: the order that ruff keeps `__all__` in."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("package", ["deephide", "e2style", "stc"])
def test_public_names_are_sorted_and_exist(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(module.__all__, key=_ruff_order)
    for name in module.__all__:
        assert getattr(module, name) is not None


def _documented(doc):
    """Names in the Parameters section of a NumPy docstring."""
    match = re.search(r"Parameters\n-+\n(.*?)(?:\n\n[A-Z]\w+\n-+|\Z)", doc, re.DOTALL)
    if not match:
        return None
    names = set()
    for line in match.group(1).splitlines():
        head = re.match(r"(\*{0,2}\w+(?:, \w+)*) :", line)
        if head:
            names |= {name.strip(" *") for name in head.group(1).split(",")}
    return names


def _signature(node):
    arguments = node.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a]
    return {a.arg for a in every if a.arg not in {"self", "cls"} and not a.arg.startswith("_")}


@pytest.mark.parametrize("package", PACKAGES)
def test_documented_parameters_are_those_of_the_signature(package):
    for path in _files(package):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                names = _documented(ast.get_docstring(node) or "")
                if names is not None:
                    assert names == _signature(node), f"{path}: {node.name}"


def test_no_library_ends_the_process_or_filters_warnings():
    for package in ("deephide", "e2style", "stc"):
        for path in _files(package):
            text = path.read_text(encoding="utf-8")
            assert "sys.exit" not in text, path
            assert "filterwarnings" not in text, path
