"""Completeness of what is published: the source archive, the wheel, its commands and its types."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
FACE = ROOT / "benchmarks" / "demo_faces" / "face1.png"
PACKAGES = ("cli", "deephide", "e2style", "stc")

CONSUMER = '''"""What somebody's own program may say."""

from pathlib import Path

import numpy as np
import stc
from numpy.typing import NDArray
from PIL import Image

import deephide
import e2style


def hide(face: Path, photo: Path) -> Image.Image:
    """Hide a face."""
    result = deephide.embed(face, photo, passphrase="correct horse")
    rate: float = result.change_rate
    assert rate < 0.5
    return result.stego


def find(stego: Image.Image) -> Image.Image | None:
    """Get it back, or nothing."""
    try:
        return deephide.extract(stego, passphrase="correct horse").image
    except deephide.ExtractionError:
        return None


def cost(gray: NDArray[np.uint8]) -> float:
    """Sum a cost map."""
    return float(stc.costs.hill(gray).sum())


def live(config: e2style.InversionConfig) -> int:
    """Count the parameters that run."""
    return e2style.count_parameters(config)["generator"]
'''
MISUSE = '''"""One mistake, which the types must show."""

import deephide

rate: str = deephide.embed("face.png", "photo.png").change_rate
'''


def _run(*command, cwd):
    """Run a program that neither the tree nor this process can lend any module."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )


def _checked(*command, cwd):
    done = _run(*command, cwd=cwd)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the tracked files, so that no earlier build can lend anything."""
    copy = tmp_path_factory.mktemp("tree")
    for name in _checked("git", "ls-files", "-z", cwd=ROOT).split("\0")[:-1]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    return copy


@pytest.fixture(scope="module")
def built(tree, tmp_path_factory):
    """A source archive, and the wheel that was made from it."""
    tracked = _files(tree)
    out = tmp_path_factory.mktemp("dist")
    # Without isolation nothing is downloaded; the requirement is checked against what is there.
    _checked(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree, cwd=out)
    (archive,), (wheel,) = out.glob("*.tar.gz"), out.glob("*.whl")
    return tracked, archive, wheel


def _files(folder):
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()
    }


def test_the_source_archive_holds_every_tracked_file(built):
    tracked, archive, _ = built
    with tarfile.open(archive) as tar:
        held = {
            m.name.partition("/")[2]: tar.extractfile(m).read()
            for m in tar.getmembers()
            if m.isfile()
        }
    assert {n: c for n, c in held.items() if n in tracked} == tracked
    added = {n for n in held if n not in tracked}
    assert {n for n in added if not n.startswith("deephide.egg-info/")} == {"PKG-INFO", "setup.cfg"}


def test_the_wheel_holds_the_packages_and_nothing_else(built):
    tracked, _, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        held = {n: archive.read(n) for n in archive.namelist() if ".dist-info/" not in n}
    assert held == {n: c for n, c in tracked.items() if n.partition("/")[0] in PACKAGES}
    assert {f"{package}/py.typed" for package in PACKAGES} <= held.keys()
    assert any(n.endswith(".safetensors") for n in held)


@pytest.fixture(scope="module")
def clean(built, tmp_path_factory):
    """An environment that has deephide from the wheel, and all else from this one."""
    place = tmp_path_factory.mktemp("clean")
    venv.create(place / "env", symlinks=True, with_pip=False)
    scripts = place / "env" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / Path(sys.executable).name
    pip = (sys.executable, "-m", "pip", "--python", python)
    _checked(*pip, "install", "--no-deps", "--no-index", "--no-compile", built[2], cwd=place)
    # Named in a .pth file, a folder is searched after the wheel's, and its own .pth files, which
    # make the source tree importable here, are not read.
    packages = Path(
        _checked(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place)
        .strip()
    )  # fmt: skip
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return place, scripts, packages


def test_every_package_comes_from_the_wheel(clean):
    place, scripts, packages = clean
    python = scripts / Path(sys.executable).name
    program = f"import {', '.join(PACKAGES)}; print([m.__file__ for m in ({', '.join(PACKAGES)})])"
    shown = _checked(python, "-c", program, cwd=place)
    assert shown.count(str(packages)) == len(PACKAGES)
    folders = _checked(python, "-c", "import sys; print(*sys.path, sep='\\n')", cwd=place)
    assert str(ROOT) not in folders.splitlines()  # an environment inside it may be there


def test_every_requirement_is_met(clean):
    place, scripts, _ = clean
    python = scripts / Path(sys.executable).name
    done = _run(sys.executable, "-m", "pip", "--python", python, "check", cwd=place)
    # Whatever else is installed here may have troubles of its own.
    assert not [line for line in done.stdout.splitlines() if line.startswith("deephide ")]
    assert "deephide" in _checked(
        sys.executable, "-m", "pip", "--python", python, "list", cwd=place
    )


def test_a_face_travels_without_the_source_tree(clean):
    import skimage.data

    place, scripts, _ = clean
    photo = Path(skimage.data.__file__).parent / "coffee.png"
    _checked(
        scripts / "deephide", "embed", "--secret", FACE, "--carrier", photo, "-o", "stego.png",
        "--preview", "preview.png", cwd=place,
    )  # fmt: skip
    _checked(scripts / "deephide", "extract", "stego.png", "-o", "face.png", cwd=place)
    assert (place / "face.png").read_bytes() == (place / "preview.png").read_bytes()


def test_the_types_of_the_wheel_hold_in_a_program_of_ones_own(clean):
    place, scripts, _ = clean
    (place / "consumer.py").write_text(CONSUMER, encoding="utf-8")
    (place / "misuse.py").write_text(MISUSE, encoding="utf-8")
    # Nothing of torch is named here, and reading its sources takes longer than all the rest.
    (place / "mypy.ini").write_text("[mypy]\n[mypy-torch.*]\nfollow_imports = skip\n")
    python = scripts / Path(sys.executable).name
    done = _run(
        sys.executable, "-m", "mypy", "--strict", "--python-executable", python,
        "consumer.py", "misuse.py", cwd=place,
    )  # fmt: skip
    assert "misuse.py:5: error: Incompatible types in assignment" in done.stdout
    assert "Found 1 error in 1 file (checked 2 source files)" in done.stdout, done.stdout
