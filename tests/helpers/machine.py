"""Processor and numerical libraries of a test run, for its header."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

# The instruction sets that decide which kernels of torch, BLAS and numba run.
DECISIVE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")


def _processor():
    """Return the model's name and its flags, as far as the system tells them."""
    fields = {}
    if os.path.exists("/proc/cpuinfo"):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            fields.setdefault(name.strip(), value.strip())
    name = fields.get("model name") or platform.processor() or platform.machine()
    return name, (fields.get("flags") or fields.get("Features") or "").split()


def describe():
    """Return one line on the processor and one on the libraries that compute on it."""
    import numpy as np
    import torch

    name, flags = _processor()
    found = [flag for flag in DECISIVE if flag in flags]
    missing = [flag for flag in DECISIVE[:4] if flag not in flags]
    sets = f"{', '.join(found) or 'instruction sets unknown'}; without {', '.join(missing) or '-'}"
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    capability = torch.backends.cpu.get_cpu_capability()
    return [
        f"processor: {name}, {os.cpu_count()} cores, {sets}",
        f"numerics: torch {torch.__version__} ({capability}, "
        f"{'MKL' if torch.backends.mkl.is_available() else 'no MKL'}, "
        f"{torch.get_num_threads()} threads), numpy {np.__version__} "
        f"({blas['name']} {blas['version']}), numba {version('numba')}",
    ]
