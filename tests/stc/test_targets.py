"""The state update on processors other than this one: run where possible, else lowered."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

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


def embed_on(cpu, features, tmp_path):
    """Return the digest of some stegos and the vector registers in use."""
    chosen = {"NUMBA_CACHE_DIR": str(tmp_path)}
    if cpu:
        chosen |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", EMBED],
        cwd=ROOT, env=os.environ | chosen, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    digest, registers = done.stdout.splitlines()
    return digest, registers.split()


@pytest.mark.slow
@pytest.mark.skipif(not X86, reason="names x86 processors")
def test_sse2_avx2_and_the_host_give_the_same_stego(tmp_path):
    here = embed_on(None, "", tmp_path)
    baseline = embed_on("x86-64", "", tmp_path / "sse2")
    assert baseline == (here[0], ["xmm"])
    if "avx2" in Path("/proc/cpuinfo").read_text():
        middle = embed_on("haswell", "+avx2,+fma", tmp_path / "avx2")
        assert middle == (here[0], ["xmm", "ymm"])


@pytest.mark.slow
def test_the_vectors_become_neon(tmp_path):
    """Lower this machine's IR for 64-bit ARM: constant shuffles and compares, no calls."""
    code = r"""
import re, numpy as np, stc, llvmlite.binding as llvm
from stc import kernels
stc.embed(np.zeros(99, np.uint8), [1, 0, 1], np.ones(99), 10)
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
    # What comes out of a cache cannot be inspected.
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "No available targets" in done.stderr or "No targets" in done.stderr:
        pytest.skip("this LLVM has no ARM back end")
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"\bfadd\s+v\d+\.4s", done.stdout)) >= 64
    assert re.search(r"\bfcmg[et]\s+v\d+\.4s", done.stdout)
    assert re.search(r"\b(ext|rev64|tbl|zip1|uzp1|trn1|dup|mov)\s+v\d+", done.stdout)
