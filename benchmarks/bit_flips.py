"""Bit flips: every single bit of a small stego, and what extraction gives after each flip.

Three sorts of flips in a PNG: of the bits of the file, where checksums catch nearly all; of the
bits of the file with its checksums corrected, so that the decoder and what follows see them; and of
the bits of the samples, all of which reach the container.  Two in a JPEG file: of its bits, where
one in a scan changes all that follows it, and of the two lowest bits of its coefficients, in files
that are written again.  Each one must end in the exact message or in one of the errors that
`deephide.extract` promises.

Argon2id runs with its least memory, one pass and one lane, or a hundred thousand derivations would
take hours; salts, keys and everything after them are real.
"""

from __future__ import annotations

import argparse
import collections
import importlib.util
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
TARGETS = HERE.parent / "tests" / "fuzz" / "targets.py"
SPEC = importlib.util.spec_from_file_location("targets", TARGETS)
targets = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(targets)

PASSPHRASE = "every bit of it"
SORTS = ("file", "repaired", "samples", "jpeg", "coefficients")


def encoded(picture, kind, **options):
    """Return an image as a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


class Stego:
    """A small stego of each kind, and the one right answer to them."""

    def __init__(self, side):
        import deephide

        targets.cheap_kdf()
        self.extract = deephide.extract
        self.error = deephide.DeephideError
        self.model = targets.fake.FakeModel()
        cover = Image.fromarray(targets.picture(side, side, 3))
        y, x = np.mgrid[0:64, 0:64] * 3.0
        secret = Image.fromarray(np.stack((x, y, 0 * x + 90), axis=2).astype(np.uint8))
        result = deephide.embed(secret, cover, PASSPHRASE, self.model, codec="latent")
        self.samples = np.asarray(result.stego)
        self.wanted = result.preview.tobytes()
        self.raw = encoded(result.stego, "PNG")
        carrier = encoded(cover, "JPEG", quality=95, subsampling=0)
        self.jpeg = deephide.embed(secret, carrier, PASSPHRASE, self.model, codec="latent").file

    def outcome(self, picture):
        """Return what extraction ended in; whatever is not promised is raised."""
        try:
            found = self.extract(picture, PASSPHRASE, self.model)
        except self.error as error:
            return f"{type(error).__name__}, exit {error.exit_code}"
        if found.image.tobytes() != self.wanted:
            raise targets.WrongSuccessError("another message was extracted")
        return "the exact message"


def flips(stego, sort, every):
    """Yield what extraction is to read, an image in memory or the bytes of a file."""
    if sort == "coefficients":
        yield from changed_coefficients(stego.jpeg, every)
        return
    data = {"samples": stego.samples.tobytes(), "jpeg": stego.jpeg}.get(sort, stego.raw)
    for bit in range(0, 8 * len(data), every):
        changed = bytearray(data)
        changed[bit >> 3] ^= 1 << (bit & 7)
        if sort == "samples":
            array = np.frombuffer(bytes(changed), np.uint8).reshape(stego.samples.shape)
            yield Image.fromarray(array)
        elif sort == "repaired":
            yield targets.repaired_png(bytes(changed))
        else:
            yield bytes(changed)


def changed_coefficients(raw, every):
    """Yield JPEG files with one bit of one coefficient flipped, the lowest or the next."""
    from deephide.covers import jpeg as jpeg_cover

    cover = jpeg_cover.decode(raw)
    for bit in range(0, 2 * cover.elements.size, every):
        elements = cover.elements.copy()
        elements[bit >> 1] ^= 1 << (bit & 1)
        yield cover.encode(elements)


def run(side=64, every=1, sorts=SORTS):
    """Flip every `every`-th bit; return how often each outcome came, by sort."""
    stego = Stego(side)
    return {
        sort: dict(collections.Counter(map(stego.outcome, flips(stego, sort, every))))
        for sort in sorts
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--side", type=int, default=64, help="pixels; three channels")
    parser.add_argument("--every", type=int, default=1, help="flip only each so many bits")
    parser.add_argument("--sort", choices=SORTS, action="append", help="all of them by default")
    parser.add_argument("--json", metavar="PATH")
    options = parser.parse_args()
    counts = run(options.side, options.every, options.sort or SORTS)
    for sort, count in counts.items():
        print(f"{sort}: {sum(count.values())} flips")
        for outcome, times in sorted(count.items()):
            print(f"  {times:8d}  {outcome}")
    if options.json:
        report = {"side": options.side, "every": options.every, "counts": counts}
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
