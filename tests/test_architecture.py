"""The rules of the tree, as tests: who imports what, how long files are, what is public."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from files import files_in
from loading import load_script

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cli", "deephide", "e2style", "stc")
ALLOWED = {
    "stc": {"numpy", "numba", "llvmlite", "stc"},
    "e2style": {
        "torch",
        "onnxruntime",
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
        "reedsolo",
        "zstandard",
        "deephide",
    },
    "cli": {"click", "rich", "starlette", "uvicorn", "h11", "deephide", "e2style", "cli"},
}
LAZY = {
    "deephide": {
        "torch",
        "onnxruntime",
        "e2style",
        "jinja2",
        "matplotlib",
        "rawpy",
        "ray",
        "sealwatch",
    },
    "cli": {"PIL", "ray"},
    "stc": set(),
    "e2style": set(),
}
MAX_LINES = 400  # as CONTRIBUTING.md says
# A module is named by a noun of the field; none of these words begins one.
NO_NOUN = re.compile(
    r"(?:Which|What|How|Whether|Is|Was|Were|Are|Do|Does|Did|Can|May|When|Where|Why|Who|Whose)\b"
)

structure = load_script("benchmarks/structure.py")


def _files(package):
    return files_in(ROOT / package, "**/*.py", least=10)


def _trees(package):
    for path in _files(package):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


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
    for path, tree in _trees(package):
        found = set(_imports(tree))
        if path.name == "__main__.py":  # `python -m deephide` is the command
            found -= {"cli"}
        assert found <= allowed, f"{path}: {sorted(found - allowed)}"


def test_heavy_packages_are_imported_late_in_deephide():
    for path, tree in _trees("deephide"):
        assert not set(_imports(tree, top_level_only=True)) & LAZY["deephide"], path


@pytest.mark.parametrize(
    ("module", "doors"),
    [
        ("cryptography", ["deephide/container/crypto.py"]),
        ("numba", ["stc/_vector_ir.py", "stc/compilation.py"]),
    ],
)
def test_delicate_packages_have_few_doors(module, doors):
    found = [
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path, tree in _trees(package)
        if module in set(_imports(tree))
    ]
    assert found == doors


def test_no_module_leads_back_to_itself():
    """Imports inside functions count; those for types alone do not."""
    graph = structure.imports()
    assert len(graph) > 100
    assert structure.cycles(graph) == []
    assert structure.cycles(structure.parts(graph)) == []


def test_the_check_for_cycles_can_fail(tmp_path):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
    (tmp_path / "stc" / "a.py").write_text("def late():\n    from stc import b\n")
    (tmp_path / "stc" / "b.py").write_text("try:\n    import stc.c\nfinally:\n    pass\n")
    typing = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from stc import a\n"
    (tmp_path / "stc" / "c.py").write_text(typing)
    graph = structure.imports(tmp_path)
    assert graph == {"stc.a": {"stc.b"}, "stc.b": {"stc.c"}, "stc.c": set()}
    assert (structure.cycles(graph), structure.layers(graph)) == ([], 3)
    (tmp_path / "stc" / "c.py").write_text("from . import a\n")
    assert structure.cycles(structure.imports(tmp_path)) == [["stc.a", "stc.b", "stc.c"]]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_first_line_of_a_module_starts_with_a_noun(package):
    for path, tree in _trees(package):
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        assert first, f"{path} has no docstring"
        assert not NO_NOUN.match(first), f"{path}: {first}"


def test_nothing_in_the_format_depends_on_streams_of_others():
    """docs/format.md specifies its own keystream; libraries may change theirs."""
    for path in files_in(ROOT / "deephide" / "container", "*.py", least=5):
        text = path.read_text(encoding="utf-8")
        assert "random" not in set(_imports(ast.parse(text))), path
        assert "np.random" not in text, path


def test_kernels_are_exact():
    """No fast mathematics, which forgets infinite costs; no signatures, which compile at import."""
    for path in _files("stc"):
        text = path.read_text(encoding="utf-8")
        assert "fastmath" not in text, path
        # What a kernel needs besides is named: @jit(name="module").
        assert not re.search(r'@n?jit\((?!\w+=")', text), path


def test_no_test_passes_on_an_empty_folder():
    """Whoever goes through the files of a folder asks `files_in` for them, which finds some."""
    wrong = re.compile(r"^\s*for .*\.(?:r?glob|iterdir)\(|parametrize\(.*glob\(")
    for path in files_in(ROOT / "tests", "**/*.py", least=100):
        if path.name not in {"files.py", Path(__file__).name}:
            lines = path.read_text(encoding="utf-8").splitlines()
            assert [line for line in lines if wrong.search(line)] == [], path


def _loaded_after(code, names):
    program = f"import sys\n{code}\nprint([n for n in {names!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return ast.literal_eval(done.stdout.splitlines()[-1])


HEAVY = [
    "numpy",
    "starlette",
    "uvicorn",
    "torch",
    "onnxruntime",
    "numba",
    "scipy",
    "PIL",
    "constriction",
    "zstandard",
]


@pytest.mark.parametrize("module", ["cli.deephide_app", "cli.e2style_app", "deephide", "stc"])
def test_imports_stay_light(module):
    assert _loaded_after(f"import {module}", HEAVY) == []


def test_the_check_for_light_imports_can_fail():
    assert _loaded_after("import numpy, PIL.Image", HEAVY) == ["numpy", "PIL"]


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
    assert set(module.__all__) <= set(dir(module))
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'hide_everything'"):
        module.hide_everything  # noqa: B018


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
    for path, tree in _trees(package):
        for node in ast.walk(tree):
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
