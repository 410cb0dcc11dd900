"""Flip every single bit of a small stego, and count what extraction says.

Three sorts of flips: of the bits of the file, where checksums catch nearly all; of the bits of
the file with its checksums corrected, so that the decoder and what follows see them; and of the
bits of the samples, all of which reach the container.  Each one must end in the exact message or
in one of the errors that `deephide.extract` promises.

Argon2id runs with its least memory, one pass and one lane, or a hundred thousand derivations would
take hours; salts, keys and everything after them are real.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import io
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
TARGETS = HERE.parent / "tests" / "fuzz" / "targets.py"
SPEC = importlib.util.spec_from_file_location("targets", TARGETS)
targets = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(targets)

PASSPHRASE = "every bit of it"
SORTS = ("file", "repaired", "samples")


class Stego:
    """A small stego, and the one right answer to it."""

    def __init__(self, side):
        import deephide
        from deephide import crypto

        crypto.ARGON2_MEMORY_KIB, crypto.ARGON2_ITERATIONS, crypto.ARGON2_LANES = 32, 1, 1
        self.extract = deephide.extract
        self.error = deephide.DeephideError
        self.model = targets.fake.FakeModel()
        cover = Image.fromarray(targets.picture(side, side, 3))
        y, x = np.mgrid[0:64, 0:64] * 3.0
        secret = Image.fromarray(np.stack((x, y, 0 * x + 90), axis=2).astype(np.uint8))
        result = deephide.embed(secret, cover, PASSPHRASE, self.model, codec="latent")
        self.samples = np.asarray(result.stego)
        self.wanted = result.preview.tobytes()
        buffer = io.BytesIO()
        result.stego.save(buffer, "PNG")
        self.raw = buffer.getvalue()

    def outcome(self, picture):
        """Return what extraction ended in; whatever is not promised is raised."""
        try:
            found = self.extract(picture, PASSPHRASE, self.model)
        except self.error as error:
            return f"{type(error).__name__}, exit {error.exit_code}"
        if found.image.tobytes() != self.wanted:
            raise targets.WrongSuccessError("another message was extracted")
        return "the exact message"


def run(side=64, every=1, sorts=SORTS):
    """Flip every `every`-th bit; return how often each outcome came, by sort."""
    stego = Stego(side)
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "flipped.png"
        for sort in sorts:
            count = collections.Counter()
            data = stego.samples.tobytes() if sort == "samples" else stego.raw
            for bit in range(0, 8 * len(data), every):
                changed = bytearray(data)
                changed[bit >> 3] ^= 1 << (bit & 7)
                if sort == "samples":
                    array = np.frombuffer(bytes(changed), np.uint8).reshape(stego.samples.shape)
                    count[stego.outcome(Image.fromarray(array))] += 1
                    continue
                kept = sort == "file"
                path.write_bytes(bytes(changed) if kept else targets.repaired_png(bytes(changed)))
                count[stego.outcome(path)] += 1
            counts[sort] = dict(count)
    return counts


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=64, help="pixels; three channels")
    parser.add_argument("--every", type=int, default=1, help="flip only each so many bits")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    counts = run(options.side, options.every)
    for sort, count in counts.items():
        print(f"{sort}: {sum(count.values())} flips")
        for outcome, times in sorted(count.items()):
            print(f"  {times:8d}  {outcome}")
    if options.json:
        report = {"side": options.side, "every": options.every, "counts": counts}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
