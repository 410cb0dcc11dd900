import subprocess
import sys
from pathlib import Path

import pytest

import deephide

ROOT = Path(deephide.__file__).parents[1]
HEAVY = ("torch", "numba", "scipy", "PIL", "numpy")
RUN = {"capture_output": True, "text": True, "cwd": ROOT}


def test_all_is_sorted_complete_and_resolvable():
    # Constants, classes, functions, each alphabetically: the order that the linter keeps.
    kind = {
        name: 0 if name.isupper() else 1 if name[0].isupper() else 2 for name in deephide.__all__
    }
    assert deephide.__all__ == sorted(deephide.__all__, key=lambda name: (kind[name], name))
    for name in deephide.__all__:
        assert getattr(deephide, name) is not None
    assert set(deephide.__all__) <= set(dir(deephide))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'hide_everything'"):
        deephide.hide_everything  # noqa: B018


@pytest.mark.parametrize("statement", ["import deephide", "import cli.deephide_app"])
def test_import_loads_nothing_heavy(statement):
    code = f"import sys\n{statement}\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, **RUN)
    assert done.stdout.strip() == "[]"


def test_the_check_for_heavy_modules_can_fail():
    code = f"import sys, numpy\nprint([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, **RUN)
    assert "numpy" in done.stdout
