"""Speed of embedding and extraction by `stc` beside a plain gather trellis, in the same run.

    PYTHONPATH=. python benchmarks/stc_speed.py [--log2-n 20] [--repeat 3] [--json PATH]

The gather kernel is the textbook update, ``new[s] = min(old[s], old[s ^ column] + cost)`` over two
arrays; its ratio to ours says what the in-place update, the vectors, the small ring of
back-pointers ("full") and the freezing ("embed") are worth on this machine. Side by side with the
C++/SSE toolbox of the authors, the gather kernel ran at 0.63 to 0.76 of that toolbox's speed;
"over_cpp" is the ratio to the toolbox that follows at least. Times are the best of `--repeat`,
warm, on one thread where nothing else is said.
"""

import argparse
import time

import numba
import numpy as np
from stc_common import machine, photo_costs, report

import stc
from stc import codec

GATHER_OVER_CPP = 0.63


@numba.njit(nogil=True)
def gather_search(cover, message, cost, ends, narrow, wide, height, path):
    """Return the least distortion; keep one bit per state and element, as ours does."""
    size = 1 << height
    old = np.full(size, np.inf, np.float32)
    new = np.empty(size, np.float32)
    old[0] = 0
    for b in range(message.size):
        mask = (1 << min(height, message.size - b)) - 1
        columns = narrow if ends[b + 1] - ends[b] == narrow.size else wide
        for i in range(ends[b], ends[b + 1]):
            column = columns[i - ends[b]] & mask
            zero = np.float32(cost[i] if cover[i] else 0)
            one = np.float32(0 if cover[i] else cost[i])
            for word in range(size // 32):
                bits = np.uint32(0)
                for j in range(32):
                    s = 32 * word + j
                    stay, come = old[s] + zero, old[s ^ column] + one
                    new[s] = min(stay, come)
                    if come <= stay:
                        bits |= np.uint32(1) << np.uint32(j)
                path[i, word] = bits
            old, new = new, old
        for s in range(size // 2):
            new[s] = old[2 * s + message[b]]
        new[size // 2 :] = np.inf
        old, new = new, old
    return old[0]


def best(repeat, function, *args, **kwargs):
    """Return (seconds, result) of the fastest call after one warm-up."""
    result, seconds = function(*args, **kwargs), np.inf
    for _ in range(repeat):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        seconds = min(seconds, time.perf_counter() - start)
    return seconds, result


def binary_rows(n, repeat, rng):
    cost = rng.random(n)
    cover = rng.integers(0, 2, n).astype(np.uint8)
    for alpha in (0.0125, 0.05, 0.25, 0.5):
        message = rng.integers(0, 2, int(alpha * n)).astype(np.uint8)
        for height in (7, 10, 12):
            layout = codec.block_layout(n, message.size, height, None)
            path = np.empty((n, (1 << height) // 32), np.uint32)
            gather, _ = best(
                1, gather_search, cover, message, cost, layout.ends, layout.narrow, layout.wide,
                height, path,
            )  # fmt: skip
            del path
            plain, _ = best(1, stc.embed, cover, message, cost, height, freeze=False, vector=False)
            full, _ = best(repeat, stc.embed, cover, message, cost, height, freeze=False)
            ours, stego = best(repeat, stc.embed, cover, message, cost, height)
            back, got = best(repeat, stc.extract, stego, message.size, height)
            assert np.array_equal(got, message)
            yield {
                "n": n,
                "alpha": alpha,
                "height": height,
                "gather_s": gather,
                "plain_s": plain,
                "full_s": full,
                "embed_s": ours,
                "gather_over_full": gather / full,
                "gather_over_embed": gather / ours,
                "over_cpp": GATHER_OVER_CPP * gather / ours,
                "extract_ns_per_element": 1e9 * back / n,
            }


def picture_rows(repeat, rng):
    cover, p1, m1 = photo_costs(1024, rng)
    for n_message in (8_000, 80_000):
        message = rng.integers(0, 2, n_message)
        for height in (10, 12, 14):
            seconds, stego = best(repeat, stc.embed_ternary, cover, message, p1, m1, height)
            two, same = best(repeat, stc.embed_ternary, cover, message, p1, m1, height, threads=2)
            assert np.array_equal(stego, same)
            back, got = best(repeat, stc.extract_ternary, stego, n_message, height)
            assert np.array_equal(got, message)
            yield {
                "n": cover.size,
                "payload_bits": n_message,
                "height": height,
                "embed_s": seconds,
                "two_threads_s": two,
                "extract_s": back,
            }


def batch_rows(repeat, rng):
    """Measure covers of 512 x 512 samples at 0.4 bits each, as custc's authors do on a GPU."""
    count, n = 8, 512 * 512
    covers = [rng.integers(0, 256, n).astype(np.uint8) for _ in range(count)]
    costs = [rng.random(n) for _ in range(count)]
    messages = [rng.integers(0, 2, int(0.4 * n)) for _ in range(count)]
    for threads in (1, 2):
        seconds, _ = best(
            repeat, stc.embed_batch, covers, messages, costs, costs, 10, threads=threads
        )
        yield {"threads": threads, "covers_per_s": count / seconds, "custc_rtx2060": 26.0}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log2-n", type=int, default=20)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", default=None)
    args = parser.parse_args()
    rng = np.random.default_rng(1)
    tables = {
        "binary, cost uniform in (0, 1)": list(binary_rows(1 << args.log2_n, args.repeat, rng)),
        "±1, HILL, 1024x1024 RGB": list(picture_rows(args.repeat, rng)),
        "batch, ±1, 512x512, 0.4 bit per sample, h = 10": list(batch_rows(args.repeat, rng)),
    }
    report("stc_speed", machine(), tables, args.json)


if __name__ == "__main__":
    main()
