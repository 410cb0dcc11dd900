"""Speed of one stage and synthesis against the straightforward implementation, in one run.

    PYTHONPATH=. python benchmarks/e2style_inference_speed.py [--threads 2] [--json PATH]

The reference is `e2style.models.reference`: a weight per sample in a grouped convolution, zero
insertion and a filter for every resampling, NCHW, float32, the structure of the released files.
Same as `e2style benchmark`, but written as JSON with commit and machine. Times are the best of
`--rounds` turns that alternate; beside the clock stands the processor time.
"""

import argparse
import json
import platform
import subprocess
from pathlib import Path

import torch

from e2style.architectures import released
from e2style.speed.inference import measure_inference


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    timings = measure_inference(
        released(chosen.stages), rounds=chosen.rounds, threads=chosen.threads
    )
    for t in timings:
        print(
            f"{t.name:16} best {t.best_s:.2f} s, CPU {t.cpu_s:.2f} s: {t.speedup:.2f}x, "
            f"by CPU {t.cpu_speedup:.2f}x, error {t.error:.1e}"
        )
    if chosen.json:
        commit = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=Path(__file__).parent, capture_output=True, text=True, check=False,
        ).stdout.strip()  # fmt: skip
        about = {
            "commit": commit,
            "machine": platform.machine(),
            "capability": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        chosen.json.write_text(json.dumps({**about, "timings": [vars(t) for t in timings]}))


if __name__ == "__main__":
    main()
