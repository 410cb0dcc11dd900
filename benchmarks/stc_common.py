"""Shared parts of the `stc` benchmarks: images with costs, the machine, tables and JSON."""

import json
import platform
import subprocess
from pathlib import Path

import llvmlite
import numba
import numpy as np
import scipy

import stc


def machine():
    """Return commit, CPU and versions."""
    root = Path(__file__).resolve().parent
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    cpu = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = named[0].split(":", 1)[1].strip() if named else cpu
    return {
        "commit": commit,
        "cpu": cpu,
        "llvm_cpu": llvmlite.binding.get_host_cpu_name(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "numba": numba.__version__,
        "scipy": scipy.__version__,
    }


def photo(side):
    """Return a (side, side, 3) mosaic of the photos that scikit-image ships."""
    from skimage import data  # the speed of other tables does not need it

    half = side // 2
    tiles = []
    for picture in (data.astronaut(), data.coffee(), data.chelsea(), data.rocket()):
        part = picture[:half, :half]
        pad = ((0, half - part.shape[0]), (0, half - part.shape[1]), (0, 0))
        tiles.append(np.pad(part, pad, mode="symmetric"))
    return np.vstack([np.hstack(tiles[:2]), np.hstack(tiles[2:])])


def photo_costs(side, rng):
    """Return the mosaic's samples and HILL costs, in one random order."""
    picture = photo(side)
    rho = np.stack([stc.costs.hill(picture[..., c]) for c in range(3)], axis=-1)
    order = rng.permutation(picture.size)
    return tuple(a.ravel()[order] for a in (picture, *stc.costs.wet(picture, rho)))


def show(found, path):
    """Print a report as JSON and, where a path is given, write the same there."""
    text = json.dumps(found, indent=1)
    if path:
        Path(path).write_text(text + "\n", encoding="utf-8")
    print(text)


def report(name, about, tables, path):
    """Print every table and, where a path is given, write all as JSON."""
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    for title, rows in tables.items():
        print(f"\n{title}")
        print("  ".join(f"{key:>14}" for key in rows[0]))
        for row in rows:
            print(
                "  ".join(f"{v:>14}" if isinstance(v, str) else f"{v:>14.4g}" for v in row.values())
            )
    if path:
        Path(path).write_text(json.dumps({"name": name, **about, "tables": tables}, indent=1))
