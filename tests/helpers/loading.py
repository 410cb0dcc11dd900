"""Modules outside every package, by their path: scripts of the tree and files of ../shared."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def load_module(path):
    """Run a file as a module of its own; return it."""
    path = Path(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_script(name):
    """Return a script of the tree as a module, as `benchmarks/keys.py`."""
    return load_module(ROOT / name)
