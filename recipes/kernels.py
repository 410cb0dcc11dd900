"""Machine code of the kernels, for `stc/compiled`: compiled by numba, linked by the C compiler.

    python recipes/kernels.py            after a change of a kernel; tests/stc/test_precompiled.py
                                         says so too

Needs Linux on x86-64 and gcc, which nobody needs who uses the package.  Each kernel is compiled for
one set of types, with a wrapper that takes all its arguments from two arrays (see
`stc.precompiled`); numba's allocation of small arrays is `runtime.c` beside this file.  The code
depends on nothing but the C library and libm.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What numba is told to compile for, by level of `stc.precompiled`; it is asked once a process.
_AVX2 = "+avx2,+fma,+bmi,+bmi2"
LEVELS = {
    "x86_64-v3": ("x86-64-v3", _AVX2),
    "x86_64-v4": ("x86-64-v4", f"{_AVX2},+avx512f,+avx512bw,+avx512cd,+avx512dq,+avx512vl"),
}
RUNTIME = Path(__file__).with_name("kernels_runtime.c")

# What arguments are, in order, and what is returned: i whole number, f float64, b truth, or an
# array by its type and dimensions.
U8, I16, U16, I32, U32, I64, U64, F32, F64, BOOL = (
    f"{name} 1"
    for name in (
        "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
        "bool",
    )
)  # fmt: skip
PLANE, PATH = "float64 2", "uint16 2"
MIRROR = (I64, I64)
SCAN = ("uint8 1", "int64 2", I32)  # data, where it is cut, the blocks

KERNELS: dict[str, dict[str, tuple[tuple[str, ...], str]]] = {
    "stc.kernels": {
        "widest_block": ((BOOL, I64), "i"),
        "keep_cheapest": ((F64, I64, BOOL), ""),
        "keep_cheapest_columns": ((F32, I64, I16, BOOL, "i", BOOL), ""),
        "fill_columns": ((I64, I64, I64, I16), ""),
        "find_idle": ((U8, I64, I16, I16), ""),
        "listed_syndrome": ((U8, I64, I16, I16, U8), ""),
        "syndrome": ((U8, I64, I64, I64, U8), ""),
        "backward": ((U8, BOOL, I64, I16, "i", PATH, I64, "i", "i", "i", "i", U8), "i"),
        "forward": (
            (U8, U8, F32, BOOL, I64, I16, "i", I16, F32, F32, PATH, I64, "i", "i", "i", "i", "b"),
            "ii",
        ),
    },
    "stc.kernels_paths": {
        "walk_back": (
            (U8, BOOL, I64, I16, "i", PATH, "uint64 2", I64, "i", "i", "i", I64, "i", "i"),
            "iii",
        ),
        "keep_paths": ((U8, BOOL, I64, I16, "i", PATH, I64, "i", "i", "i", I64, U16), ""),
    },
    "stc.kernels_gibbs": {
        "gibbs_sums_binary": ((F64, "f"), "fff"),
        "gibbs_sums_ternary": ((F64, F64, "f"), "fff"),
    },
    "stc.kernels_syndrome": {"sum_columns": ((U32, I64, U32, U32, U32), "")},
    "stc.costs._box": {"_box": ((PLANE, *MIRROR, "i", PLANE), "")},
    "stc.costs.hill": {"_magnitude": ((PLANE, I64, PLANE), "")},
    "stc.costs.suniward": {"_costs": ((PLANE, *MIRROR, PLANE, PLANE, "f", PLANE), "")},
    "stc.costs.wow": {"_costs": ((PLANE, *MIRROR, PLANE, PLANE, PLANE), "")},
    "stc.costs.juniward": {
        "_costs": ((PLANE, *MIRROR, PLANE, "float64 3", "float64 3", "f", "float64 3"), "")
    },
    "stc.costs.mipod": {
        "_energy": ((PLANE, *MIRROR, PLANE, "i", PLANE), ""),
        "_entropy": ((F64, F64, "f", F64), "ff"),
    },
    "deephide.channels.kernels": {
        "correctable": ((U8, "i", I64, I64), "b"),
        "follow": ((I64, I64, U8), ""),
    },
    "deephide.container.permuting": {
        "permute": (("i", "i", "i", "i", PATH, PATH, U32), ""),
        "find_listed": ((I32, U64, I32, I32, I32), "i"),
    },
    "deephide.container.shortlist": {
        "_append": ((F64, F64, "f", "i", I32, F64, F64, "i"), "i"),
        "_drop": ((I32, F64, F64, "i", "f"), "i"),
    },
    "deephide.formats.jpeg.reading": {
        "read_sequential": ((*SCAN, I64, "i", PATH, PATH, I64, I16), "b"),
        "read_dc_first": ((*SCAN, I64, "i", PATH, "i", I16), "b"),
        "read_dc_refine": ((*SCAN, "i", "i", I16), "b"),
        "read_ac_first": ((*SCAN, "i", U16, I64, I64, I16), "b"),
        "read_ac_refine": ((*SCAN, "i", U16, I64, I64, I16), "b"),
    },
    "deephide.formats.jpeg.writing": {
        "sequential_symbols": ((I16, I32, I64, "i", "int64 2", I64, U32, I64), "i"),
        "dc_first_symbols": ((I16, I32, I64, "i", "int64 2", "i", U32, I64), "i"),
        "dc_refine_symbols": ((I16, I32, "i", "i", U32, I64), "i"),
        "ac_first_symbols": ((I16, I32, "i", "i", I64, I64, U32, I64), "i"),
        "ac_refine_symbols": ((I16, I32, "i", "i", I64, I64, I64, U32, I64), "i"),
        "pack": ((U32, I64, "int64 2", "i", U8), "i"),
    },
    "deephide.formats.jpeg.arithmetic": {
        "_read": (
            (*SCAN, I64, "i", "int64 2", "int64 2", I64, "b", I64, I16, "int64 2"),
            "b",
        )
    },
    "deephide.formats.png.deep": {"_undo_filters": (("uint8 2", U8, "i"), "")},
    "deephide.formats.tiff.lzw": {
        "_unpack": ((U8, U8), "i"),
        "_pack": ((U8, "b", U8), "i"),
        "_unpackbits": ((U8, U8), "i"),
        "_packbits": ((U8, "i", U8), "i"),
    },
}
# Sources, besides its own, whose code is part of a module's kernels.
PARTS = {
    "stc.kernels": ("stc/_vector_ir.py",),
    "stc.costs.suniward": ("stc/costs/_wavelet.py",),
    "stc.costs.wow": ("stc/costs/_wavelet.py",),
    "stc.costs.juniward": ("stc/costs/_wavelet.py",),
}


def sources(module: str) -> dict[str, str]:
    """Return the SHA-256 of each file that the code of a module is made of."""
    paths = (module.replace(".", "/") + ".py", *PARTS.get(module, ()))
    return {path: hashlib.sha256((ROOT / path).read_bytes()).hexdigest() for path in paths}


def wrapper(kinds: tuple[str, ...], returns: str) -> str:
    """Return the source of a function that takes the arguments out of two arrays."""
    arguments, whole, real = [], 0, 0
    for kind in kinds:
        if kind in "ib":
            value = f"integers[{whole}]"
            arguments.append(f"{value} != 0" if kind == "b" else value)
            whole += 1
        elif kind == "f":
            arguments.append(f"floats[{real}]")
            real += 1
        else:
            name, dimensions = kind.split()
            shape = ", ".join(f"integers[{whole + 1 + k}]" for k in range(int(dimensions)))
            dtype = "np.bool_" if name == "bool" else f"np.{name}"
            arguments.append(f"carray(at(integers[{whole}]), ({shape},), dtype={dtype})")
            whole += 1 + int(dimensions)
    lines = [f"found = kernel({', '.join(arguments)})"]
    for k, kind in enumerate(returns):
        value = f"found[{k}]" if len(returns) > 1 else "found"
        where = "floats" if kind == "f" else "integers"
        lines.append(f"{where}[{k}] = {value}")
    return "def entry(integers, floats):\n    " + "\n    ".join(lines) + "\n"


def compile_entry(module: str, name: str, kinds: tuple[str, ...], returns: str) -> tuple[str, str]:
    """Return the symbol of a kernel's wrapper and the optimised code that LLVM is to lower."""
    import numpy as np
    from numba import carray, types
    from numba.core import compiler
    from numba.core.registry import cpu_target
    from numba.extending import intrinsic

    @intrinsic
    def at(context, address):
        def generate(target, builder, signature, args):
            return builder.inttoptr(args[0], target.get_value_type(signature.return_type))

        return types.voidptr(types.int64), generate

    kernel = getattr(importlib.import_module(module), name).compiled
    scope = {"np": np, "carray": carray, "at": at, "kernel": kernel}
    exec(wrapper(kinds, returns), scope)
    flags = compiler.Flags()
    flags.nrt = flags.no_cpython_wrapper = flags.no_cfunc_wrapper = True
    pointers = types.CPointer(types.int64), types.CPointer(types.float64)
    made = compiler.compile_extra(
        cpu_target.typing_context, cpu_target.target_context, scope["entry"], pointers,
        types.void, flags, {},
    )  # fmt: skip
    return made.fndesc.llvm_func_name, made.library.get_llvm_str()


def lower(code: str, path: Path, level: str) -> None:
    """Write the object file of optimised code, which can be at any address."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    cpu, features = LEVELS[level]
    machine = target.create_target_machine(
        cpu=cpu, features=features, opt=3, reloc="pic", codemodel="default"
    )
    path.write_bytes(machine.emit_object(llvm.parse_assembly(code)))


def main() -> None:
    """Compile all kernels and link them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "stc" / "compiled")
    parser.add_argument("--work", type=Path, help="keep object files here, and use those there")
    parser.add_argument("--level", choices=LEVELS, help="this one alone")
    options = parser.parse_args()
    if options.level is None:
        for level in LEVELS:
            subprocess.run([sys.executable, __file__, *sys.argv[1:], "--level", level], check=True)
        return
    cpu, features = LEVELS[options.level]
    os.environ |= {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as temporary:
        build(options.output, options.work or Path(temporary), options.level)


def build(output: Path, work: Path, level: str) -> None:
    """Write library and index."""
    work.mkdir(parents=True, exist_ok=True)
    output.mkdir(exist_ok=True)
    index: dict[str, dict] = {"sources": {}, "kernels": {}}
    objects, symbols = [], []
    for module, kernels in KERNELS.items():
        index["sources"][module] = known = sources(module)
        state = hashlib.sha256(json.dumps(known).encode()).hexdigest()[:16]
        for name, (kinds, returns) in kernels.items():
            symbol = f"{module}.{name}".replace(".", "_")
            path = work / f"{symbol}-{level}-{state}.ll"
            if not path.exists():
                native, code = compile_entry(module, name, kinds, returns)
                path.write_text(code.replace(native, symbol), encoding="utf-8")
                print(symbol, len(code), flush=True)
            lower(path.read_text(encoding="utf-8"), path.with_suffix(".o"), level)
            objects.append(path.with_suffix(".o"))
            symbols.append(symbol)
            row = [symbol, list(kinds), returns]
            index["kernels"].setdefault(f"{module}.{name}", []).append(row)
    script = work / "symbols.map"
    script.write_text("{ global: " + " ".join(f"{each};" for each in symbols) + " local: *; };\n")
    library = output / f"kernels-{level}.so"
    subprocess.run(
        ["gcc", "-O2", f"-march={LEVELS[level][0]}", "-shared", "-fPIC", "-s", "-Wl,--gc-sections",
         "-Wl,--build-id=none", "-Wl,-z,defs", f"-Wl,--version-script={script}", "-o", library,
         RUNTIME, *objects, "-lm"],
        check=True,
    )  # fmt: skip
    text = json.dumps(index, indent=1, sort_keys=True)
    (output / f"kernels-{level}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
