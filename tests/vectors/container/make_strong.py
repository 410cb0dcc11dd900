"""Generator of the vectors of strong containers.  They are frozen as those of `make.py` are.

    python tests/vectors/container/make_strong.py

Faults are one each; where a case says `ok` after a fault, error correction puts it right.
"""

import base64
import json
from pathlib import Path

import numpy as np
from make_robust import FINGERPRINT, PASSPHRASE, PAYLOAD, brightened_to_the_right, draw, flip, saved
from PIL import Image

from deephide.channels import coding, transform, zones
from deephide.channels.coding import Plan
from deephide.channels.strong import reading, writing
from deephide.channels.strong.grid import Frame
from deephide.container import crypto, layout
from deephide.container.keys import SharedKey

HERE = Path(__file__).parent
SIZE = 1072, 112


def photo():
    """Return waves with some noise, away from black and white."""
    y, x, c = np.mgrid[0 : SIZE[1], 0 : SIZE[0], 0:3].astype(np.float64)
    noise = np.random.Generator(np.random.PCG64(1)).normal(0.0, 6.0, x.shape)
    waves = 30 * np.sin(x / 25 + c) + 6 * np.cos(y / 5 - x / 57)
    image = Image.fromarray(np.clip(128 + waves + noise, 40, 215).astype(np.uint8))
    return transform.open_photo(image, 1072)


class Parts:
    """A body, its plan and its streams; faults are put in where they belong."""

    def __init__(self, step, plaintext=None, associated=None):
        secret = SharedKey(crypto.key_input(PASSPHRASE, FINGERPRINT))
        self.stage = writing.prepare(photo(), 0, 4.0, lambda s: secret.at(s).strong_keys())
        self.step = step
        if plaintext is None:
            plaintext = layout.pack(layout.Header(1, FINGERPRINT[:8]), PAYLOAD)
        associated = associated or reading.associated_data(self.stage.frame, step)
        self.body = zones.lock(self.stage.keys, draw(zones.NONCE_BYTES), plaintext, associated)
        self.plan = Plan(len(self.body), 32)
        self.header = coding.pack_plan(self.plan, zones.MIN_BODY_BYTES, self.stage.keys.header_pad)
        self.stream = self.plan.framing.encode(self.body)

    def jpeg(self, *, body=None, stream=None, header=None):
        stream = stream or self.plan.framing.encode(body or self.body)
        return writing.write(self.stage, self.step, header or self.header, stream)


def cases():
    """Yield name, expectation, file and passphrase."""
    parts = Parts(24)
    jpeg = parts.jpeg()
    yield "strong", "ok", jpeg, PASSPHRASE
    half = saved(jpeg, "JPEG", lambda image: image.resize((536, 56), 3), quality=75)
    yield "half-the-size", "ok", half, PASSPHRASE
    odd = saved(jpeg, "PNG", lambda image: image.resize((801, 84), 2), optimize=True)
    yield "odd-size-as-png", "ok", odd, PASSPHRASE
    cut = saved(jpeg, "JPEG", lambda image: image.crop((2, 0, *image.size)), quality=75)
    yield "two-columns-less", "ok", cut, PASSPHRASE
    yield "lossy-webp", "ok", saved(jpeg, "WEBP", quality=80), PASSPHRASE
    yield "finest-step", "ok", Parts(16).jpeg(), PASSPHRASE
    yield "wrong-passphrase", "reject", jpeg, "correct hors"
    yield "nothing-hidden", "reject", parts.stage.cover, PASSPHRASE
    yield "other-brightness", "reject", saved(jpeg, "PNG", brightened_to_the_right), PASSPHRASE
    small = saved(jpeg, "PNG", lambda image: image.resize((399, 42), 3), optimize=True)
    yield "too-small", "reject", small, PASSPHRASE
    right = flip(parts.stream, *range(16))
    yield "as-many-bytes-wrong-as-can-be", "ok", parts.jpeg(stream=right), PASSPHRASE
    wrong = flip(parts.header, *range(10))
    yield "header-with-ten-bytes-wrong", "ok", parts.jpeg(header=wrong), PASSPHRASE
    for name, place in (("commitment", 16), ("tag", -1)):
        yield f"{name}-byte", "reject", parts.jpeg(body=flip(parts.body, place)), PASSPHRASE
    other = reading.associated_data(Frame(SIZE[0], SIZE[1] + 16), 24)
    yield "sealed-for-another-shape", "reject", Parts(24, associated=other).jpeg(), PASSPHRASE
    newer = layout.pack(layout.Header(1, FINGERPRINT[:8], version=3), b"")
    yield "newer-version", "newer", Parts(36, newer).jpeg(), PASSPHRASE


def main():
    """Write one file a case."""
    (HERE / "strong").mkdir(exist_ok=True)
    classes = {"ok": "ok", "reject": "ExtractionError", "newer": "FormatVersionError"}
    for name, expect, file, passphrase in cases():
        entry = {
            "expect": classes[expect],
            "payload": PAYLOAD.hex() if expect == "ok" else None,
            "passphrase": passphrase,
            "fingerprint": FINGERPRINT.hex(),
            "picture": base64.b64encode(file).decode(),
        }
        path = HERE / "strong" / f"{name}.json"
        path.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
