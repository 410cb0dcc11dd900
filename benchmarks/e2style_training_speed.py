"""Speed of a training step of stage 1 against the straightforward implementation, in one run.

    PYTHONPATH=. python benchmarks/e2style_training_speed.py [--size 1024] [--batch 1] [--json PATH]

The same as the second table of `e2style benchmark`, for which `e2style.speed.training` says
what is compared, but in several turns, and written as JSON with commit and machine. Times are the
best of all steps after the first of each turn; beside the time on the clock stands that of the CPU,
which other programs on the machine do not stretch.
"""

import argparse
import json
import platform
import subprocess
from pathlib import Path

import torch

from e2style.architectures import e2style
from e2style.config import GeneratorConfig
from e2style.speed.training import measure_training


def machine():
    """Return commit, CPU and versions."""
    root = Path(__file__).resolve().parent
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "commit": commit,
        "cpu": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the generator")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2, help="timed steps in each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--json", metavar="PATH")
    chosen = parser.parse_args()
    n_codes = GeneratorConfig(chosen.size).n_codes
    deep, middle = n_codes // 2, (n_codes + 2) // 4
    split = (n_codes - deep - middle, middle, deep)
    timings = measure_training(
        e2style(chosen.size, pools=(7, 7, 7), split=split),
        steps=chosen.steps,
        turns=chosen.turns,
        batch=chosen.batch,
        threads=chosen.threads,
        device=chosen.device,
        compiled=chosen.compile,
    )
    for t in timings:
        print(
            f"{t.name:22} best {t.best_s:.2f} s a picture, CPU {t.cpu_s:.2f} s: {t.speedup:.2f}x, "
            f"by CPU {t.cpu_speedup:.2f}x, {t.memory_mib} MiB, error of a loss {t.error:.1e}"
        )
    if chosen.json:
        settings = {key: value for key, value in vars(chosen).items() if key != "json"}
        rows = [vars(t) for t in timings]
        content = {"machine": machine(), "settings": settings, "timings": rows}
        Path(chosen.json).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
