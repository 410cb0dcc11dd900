"""Checks before a release, one line each: `make release-check`.

    version      the same in pyproject.toml, CITATION.cff, CHANGELOG.md and deephide.__version__
    weights      the files that ship have the hashes that the program asks for
    build        a wheel and a source archive are made
    metadata     name, version, licence, README and requirements are in the wheel; no test is
    contents     the source archive makes the same wheel's files
    install      the wheel goes into a fresh environment, and `deephide doctor` finds nothing broken
    round trip   a text is hidden and comes back there
    licences     a bill of materials beside the wheel

It changes nothing but the folder of its option --output.  A failure ends it with status 1.
"""

import argparse
import email
import hashlib
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("cli", "deephide", "e2style", "stc")


class CheckError(Exception):
    """Something that must not be released."""


def require(holds: bool, what: str) -> None:
    """Raise CheckError unless something holds."""
    if not holds:
        raise CheckError(what)


def run(*command: str | Path, cwd: Path | None = None) -> str:
    """Run a command to its end and return what it printed."""
    # With PYTHONPATH a fresh environment would see this tree, and pip take it for the wheel.
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(each) for each in command],
        cwd=cwd,
        env=alone,
        capture_output=True,
        text=True,
        check=False,
    )
    require(done.returncode == 0, f"{command[0]} failed: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def project() -> dict:
    """The `[project]` table of pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def check_version() -> str:
    """One version everywhere, and a date."""
    version = project()["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    said = run(sys.executable, "-c", "import deephide; print(deephide.__version__)", cwd=ROOT)
    require(said.strip() == version, f"deephide.__version__ is {said.strip()}, not {version}")
    require(f"\nversion: {version}\n" in citation, f"CITATION.cff does not say {version}")
    released = re.search(r"^date-released: (\S+)$", citation, re.MULTILINE)
    require(released is not None, "CITATION.cff has no date-released")
    head = f"\n## [{version}] - {released[1]}\n" if released else ""
    require(head in changes, f"CHANGELOG.md has no heading{head.rstrip()}")
    left = changes.partition("## [Unreleased]\n")[2].partition("\n## [")[0].strip()
    return f"{version}{', and changes that are not in it yet' if left else ''}"


def check_weights() -> str:
    """The hash of every file of weights that ships."""
    from e2style.checkpoints.shipped import RESTORERS, SHIPPED

    known = SHIPPED | RESTORERS
    for file, digest in known.values():
        path = ROOT / "e2style" / "weights" / file
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        require(found == digest, f"{file} has the hash {found}, and {digest} is asked for")
    return f"{len(known)} files"


def build(folder: Path) -> tuple[Path, Path]:
    """A wheel and a source archive."""
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    version = project()["version"]
    (wheel,) = folder.glob(f"deephide-{version}-*.whl")
    return wheel, folder / f"deephide-{version}.tar.gz"


def check_metadata(wheel: Path) -> str:
    """What the wheel says of itself, and what is in it."""
    about = project()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (place,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        found = email.message_from_bytes(archive.read(place))
    require(found["Name"] == about["name"], f"the wheel is called {found['Name']}")
    require(found["Version"] == about["version"], f"the wheel has version {found['Version']}")
    require(found["License-Expression"] == about["license"], "the wheel names no licence")
    require(found["Requires-Python"] == about["requires-python"], "the wheel names no Python")
    require("# deephide" in str(found.get_payload()), "the wheel has no README")
    needed = len(about["dependencies"])
    plain = [each for each in found.get_all("Requires-Dist", []) if "extra ==" not in each]
    require(len(plain) == needed, f"the wheel requires {len(plain)} packages, not {needed}")
    rooms = {name.partition("/")[0] for name in names if ".dist-info/" not in name}
    require(rooms == {*PACKAGES}, f"the wheel holds {sorted(rooms)}")
    weights = [name for name in names if name.startswith("e2style/weights/")]
    require(any(name.endswith(".safetensors") for name in weights), "the wheel has no weights")
    return f"{len(names)} files, {wheel.stat().st_size / 1e6:.0f} MB"


def check_source(source: Path, wheel: Path) -> str:
    """Every file of the wheel's packages is in the source archive."""
    with tarfile.open(source) as archive:
        there = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive:
        wanted = {name for name in archive.namelist() if ".dist-info/" not in name}
    missing = sorted(wanted - there)
    require(not missing, f"the source archive lacks {', '.join(missing[:5])}")
    for name in ("LICENSE", "README.md", "CHANGELOG.md"):
        require(name in there, f"the source archive lacks {name}")
    return f"{len(there)} files"


def installed(wheel: Path, place: Path) -> Iterator[tuple[str, str]]:
    """Install the wheel in an environment of its own, and use it."""
    venv.create(place / "venv", with_pip=True)
    binaries = place / "venv" / ("Scripts" if sys.platform == "win32" else "bin")
    run(binaries / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
        "-c", ROOT / "constraints.txt", wheel)  # fmt: skip
    report = json.loads(run(binaries / "deephide", "doctor", "--json", cwd=place))
    broken = [each["name"] for each in report["checks"] if each["state"] == "broken"]
    require(not broken, f"deephide doctor finds broken: {', '.join(broken)}")
    yield "install", f"Python {sys.version.split()[0]}, {len(report['checks'])} checks of doctor"
    make = (
        "import numpy as np; from PIL import Image; rng = np.random.default_rng(1); "
        "Image.fromarray(rng.integers(60, 200, (256, 256, 3), np.uint8)).save('photo.png')"
    )
    run(binaries / "python", "-c", make, cwd=place)
    (place / "key.txt").write_text("a key of this check alone\n", encoding="utf-8")
    (place / "key.txt").chmod(0o600)
    key = ("--passphrase-file", "key.txt", "-q")
    stego = run(binaries / "deephide", "embed", "--text", "there", "photo.png", *key, cwd=place)
    found = run(binaries / "deephide", "extract", stego.strip(), "-o", "-", *key, cwd=place)
    require(found == "there", f"what came back is {found!r}")
    yield "round trip", f"{stego.strip()} holds a text, and gives it back"


def checks(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name of each check, and what it found."""
    yield "version", check_version()
    yield "weights", check_weights()
    wheel, source = build(folder)
    yield "build", f"{wheel.name}, {source.name}"
    yield "metadata", check_metadata(wheel)
    yield "contents", check_source(source, wheel)
    with tempfile.TemporaryDirectory(prefix="release-") as place:
        yield from installed(wheel, Path(place))
    bill = folder / f"deephide-{project()['version']}.cdx.json"
    run(sys.executable, ROOT / "docs" / "make_licences.py", "--cyclonedx", bill)
    count = len(json.loads(bill.read_text(encoding="utf-8"))["components"])
    yield "licences", f"{bill.name}, {count} packages"


def main() -> int:
    """Run all checks; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where the wheel goes")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for name, found in checks(folder):
            print(f"ok      {name:12} {found}", flush=True)
    except CheckError as error:
        print(f"failed  {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
