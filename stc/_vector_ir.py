"""Inner loops as portable LLVM vectors; twins of `kernels.step_plain` and `close_plain`.

Sixteen float32 metrics travel as one LLVM vector. XOR of the state by a column is then an
exchange of whole vectors (the high bits) and a fixed shuffle of lanes (the low four), so the IR
holds sixteen loops, one per shuffle, behind a switch. Only generic instructions are used: LLVM
lowers them to whatever the processor has, from SSE2 and NEON to AVX-512.
"""

import functools
from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba.core import cgutils, types
from numba.extending import intrinsic

__all__ = ["close_vector", "step_vector"]

LANES = 16

_reserve: Any = cgutils.alloca_once  # numba does not annotate it


def _address(builder: Any, base: Any, block: Any, scale: int, kind: Any) -> Any:
    """Return a pointer to the `block`-th vector of `scale` bytes from the address `base`."""
    address = builder.add(base, builder.mul(block, ir.Constant(ir.IntType(64), scale)))
    return builder.inttoptr(address, kind.as_pointer())


def _emit_pair_loop(builder: Any, flip: int, args: dict[str, Any]) -> None:
    """Emit the loop over pairs of vectors whose lanes are exchanged by XOR with `flip`."""
    i16, i64 = ir.IntType(16), ir.IntType(64)
    vector = ir.VectorType(ir.FloatType(), LANES)
    lanes = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [j ^ flip for j in range(LANES)])
    one = ir.Constant(i64, 1)

    def splat(value: Any) -> Any:
        seed = builder.insert_element(
            ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0)
        )
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
        return builder.shuffle_vector(seed, seed, zeros)

    place = functools.partial(_address, builder)

    def survive(stay: Any, come: Any, where: Any, back: Any) -> None:
        # Ordered "<=": on a tie the stego bit is 1.
        flipped = builder.fcmp_ordered("<=", come, stay)
        store = builder.store(builder.select(flipped, come, stay), where)
        store.align = 4
        mark = builder.store(builder.bitcast(flipped, i16), back)
        mark.align = 2

    keep, flip_cost = splat(args["cost0"]), splat(args["cost1"])
    below = builder.sub(args["top"], one)
    above = builder.not_(below)
    paired = builder.icmp_unsigned("!=", args["high"], ir.Constant(i64, 0))
    with builder.if_else(paired) as (two, single):
        with two:
            half = builder.lshr(args["blocks"], one)
            with cgutils.for_range(builder, half) as loop:
                upper = builder.shl(builder.and_(loop.index, above), one)
                first = builder.or_(upper, builder.and_(loop.index, below))
                second = builder.xor(first, args["high"])
                at_a = place(args["metrics"], first, 64, vector)
                at_b = place(args["metrics"], second, 64, vector)
                a, b = builder.load(at_a), builder.load(at_b)
                a.align = b.align = 4
                come_a = builder.fadd(builder.shuffle_vector(b, b, lanes), flip_cost)
                come_b = builder.fadd(builder.shuffle_vector(a, a, lanes), flip_cost)
                survive(builder.fadd(a, keep), come_a, at_a, place(args["path"], first, 2, i16))
                survive(builder.fadd(b, keep), come_b, at_b, place(args["path"], second, 2, i16))
        with single, cgutils.for_range(builder, args["blocks"]) as loop:
            at_a = place(args["metrics"], loop.index, 64, vector)
            a = builder.load(at_a)
            a.align = 4
            come_a = builder.fadd(builder.shuffle_vector(a, a, lanes), flip_cost)
            survive(builder.fadd(a, keep), come_a, at_a, place(args["path"], loop.index, 2, i16))


def _step_vector(
    typingctx: Any,
    metrics: Any,
    path: Any,
    blocks: Any,
    column: Any,
    top: Any,
    cost0: Any,
    cost1: Any,
) -> Any:
    """Add-compare-select over all states, in place.

    `metrics` and `path` are addresses of 16 * blocks float32 and of blocks uint16; `top` is the
    highest set bit of ``column >> 4``; `cost0` and `cost1` are the costs of stego bit 0 and 1.
    """
    signature = types.void(
        types.uintp, types.uintp, types.int64, types.int64, types.int64, types.float32,
        types.float32,
    )  # fmt: skip

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        i64 = ir.IntType(64)
        names = ("metrics", "path", "blocks", "column", "top", "cost0", "cost1")
        args = dict(zip(names, values, strict=True))
        args["high"] = builder.lshr(args["column"], ir.Constant(i64, 4))
        low = builder.and_(args["column"], ir.Constant(i64, LANES - 1))
        done = builder.append_basic_block("step.done")
        choose = builder.switch(low, done)
        for flip in range(LANES):
            case = builder.append_basic_block(f"step.flip{flip}")
            choose.add_case(ir.Constant(i64, flip), case)
            builder.position_at_end(case)
            _emit_pair_loop(builder, flip, args)
            builder.branch(done)
        builder.position_at_end(done)
        return context.get_dummy_value()

    return signature, codegen


def _close_vector(typingctx: Any, metrics: Any, blocks: Any, parity: Any) -> Any:
    """Keep every second metric, from `parity` on, in the lower half, less the least of them.

    The upper half becomes inf. `metrics` is the address of 16 * blocks float32, blocks even, none
    of them negative; returns the least one kept. In place: vector v is written after 2v and
    2v + 1 were read.
    """
    signature = types.float32(types.uintp, types.int64, types.int64)

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        i32, i64 = ir.IntType(32), ir.IntType(64)
        vector = ir.VectorType(i32, LANES)
        base, blocks, parity = values
        least = _reserve(builder, vector)
        builder.store(ir.Constant(vector, [0x7F800000] * LANES), least)
        odd = builder.icmp_unsigned("!=", parity, ir.Constant(i64, 0))
        half = builder.lshr(blocks, ir.Constant(i64, 1))
        with cgutils.for_range(builder, half) as loop:
            first = builder.shl(loop.index, ir.Constant(i64, 1))
            second = builder.or_(first, ir.Constant(i64, 1))
            a = builder.load(_address(builder, base, first, 64, vector))
            b = builder.load(_address(builder, base, second, 64, vector))
            a.align = b.align = 4
            even_lanes, odd_lanes = (
                builder.shuffle_vector(
                    a, b, ir.Constant(vector, [2 * lane + start for lane in range(LANES)])
                )
                for start in (0, 1)
            )
            kept = builder.select(odd, odd_lanes, even_lanes)
            store = builder.store(kept, _address(builder, base, loop.index, 64, vector))
            store.align = 4
            so_far = builder.load(least)
            # Bit patterns of floats that are not negative sort as the floats do.
            smaller = builder.icmp_unsigned("<", kept, so_far)
            builder.store(builder.select(smaller, kept, so_far), least)
        lanes = builder.load(least)
        distance = LANES // 2
        while distance:
            partners = ir.Constant(vector, [lane ^ distance for lane in range(LANES)])
            other = builder.shuffle_vector(lanes, lanes, partners)
            lanes = builder.select(builder.icmp_unsigned("<", other, lanes), other, lanes)
            distance //= 2
        floats = ir.VectorType(ir.FloatType(), LANES)
        lowest = builder.bitcast(lanes, floats)
        infinite = ir.Constant(floats, [float("inf")] * LANES)
        with cgutils.for_range(builder, half) as loop:
            at = _address(builder, base, loop.index, 64, floats)
            kept = builder.load(at)
            kept.align = 4
            builder.store(builder.fsub(kept, lowest), at).align = 4
            above = _address(builder, base, builder.add(loop.index, half), 64, floats)
            builder.store(infinite, above).align = 4
        return builder.extract_element(lowest, ir.Constant(i32, 0))

    return signature, codegen


# To mypy an intrinsic is its typing function, whose arguments are not those of a call.
step_vector: Any = intrinsic(_step_vector)
close_vector: Any = intrinsic(_close_vector)
