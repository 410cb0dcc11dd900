"""The state update on processors other than this one: run where possible, else lowered."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import llvmlite.binding as llvm
import pytest

ROOT = Path(__file__).resolve().parents[2]
X86 = platform.machine() in ("x86_64", "AMD64")

EMBED = """
import hashlib, numpy as np, stc
from stc import kernels
rng = np.random.default_rng(7)
digest = hashlib.sha256()
for height in (6, 7, 10):
    cover, message = rng.integers(0, 256, 2000).astype(np.uint8), rng.integers(0, 2, 700)
    cost = np.ceil(8 * rng.random(2000))  # few levels make ties
    cost[::9] = np.inf
    digest.update(stc.embed_ternary(cover, message, cost, cost, height).tobytes())
print(digest.hexdigest())
assembly = "".join(kernels.forward.inspect_asm().values())
print(*sorted({name for name in ("xmm", "ymm", "zmm") if name in assembly}))
"""

# Lowers this machine's code for 64-bit ARM.
LOWER = r"""
import re, sys, llvmlite.binding as llvm
(source,) = kernels.forward.inspect_llvm().values()
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(opt=3)
lines = [l for l in source.splitlines() if not l.startswith(("target datalayout", "target triple"))]
# Reference counts of arrays are x86's own by now; they are not what this is about.
lines = [re.sub(r"= .*call i8 @llvm.x86.atomic.*", "= add i8 0, 0", l) for l in lines]
module = llvm.parse_assembly("\n".join(lines))
module.triple = machine.triple
module.data_layout = str(machine.target_data)
print(machine.emit_assembly(module))
"""


def embed_on(cpu, features, cache, more=""):
    """Run EMBED, compiled for a processor or, without one, with what ships; return the process."""
    # What comes out of a cache cannot be inspected: each run has an empty one.
    chosen = {"NUMBA_CACHE_DIR": str(cache)}
    if cpu:
        chosen |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", EMBED + more],
        cwd=ROOT, env=os.environ | chosen, capture_output=True, text=True, check=False,
    )  # fmt: skip


def seen(done):
    """Return the digest of some stegos and the vector registers in use."""
    digest, registers = done.stdout.splitlines()[:2]
    return digest, registers.split()


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """EMBED on this machine's own processor, with its code for ARM where LLVM has that."""
    # Named, or the code that the package carries would run.
    host = llvm.get_host_cpu_name()
    return embed_on(host, features_of_host(), tmp_path_factory.mktemp("host"), LOWER)


def features_of_host():
    return llvm.get_host_cpu_features().flatten()


@pytest.mark.slow
@pytest.mark.xdist_group("targets")
@pytest.mark.skipif(not X86, reason="names x86 processors")
@pytest.mark.parametrize(
    ("cpu", "features", "needs", "registers"),
    [
        ("x86-64", "", None, ["xmm"]),
        ("haswell", "+avx2,+fma", "avx2", ["xmm", "ymm"]),
    ],
)
def test_sse2_avx2_and_the_host_give_the_same_stego(
    here, tmp_path, cpu, features, needs, registers
):
    if needs and needs not in Path("/proc/cpuinfo").read_text():
        pytest.skip(f"this processor has no {needs}")
    done = embed_on(cpu, features, tmp_path)
    assert done.returncode == 0, done.stderr
    assert seen(done) == (seen(here)[0], registers)


@pytest.mark.slow
@pytest.mark.xdist_group("targets")
def test_the_vectors_become_neon(here):
    """Constant shuffles and compares, no calls."""
    if "No available targets" in here.stderr or "No targets" in here.stderr:
        pytest.skip("this LLVM has no ARM back end")
    assert here.returncode == 0, here.stderr
    code = here.stdout
    assert len(re.findall(r"\bfadd\s+v\d+\.4s", code)) >= 64
    assert re.search(r"\bfcmg[et]\s+v\d+\.4s", code)
    assert re.search(r"\b(ext|rev64|tbl|zip1|uzp1|trn1|dup|mov)\s+v\d+", code)
