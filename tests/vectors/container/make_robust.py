"""Generator of the vectors of robust containers.  They are frozen as those of `make.py` are.

    python tests/vectors/container/make_robust.py

Faults are one each; where a case says `ok` after a fault, error correction puts it right.
"""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from deephide.channels import coding, embedding, profiles, transform, zones
from deephide.channels.coding import Plan
from deephide.container import crypto, layout
from deephide.container.keys import SharedKey

HERE = Path(__file__).parent

FINGERPRINT = bytes(range(32))
PASSPHRASE = "correct horse"
PAYLOAD = b"payload"
SIZE = 144, 112


def photo():
    """Return waves with some noise, away from black and white."""
    y, x, c = np.mgrid[0 : SIZE[1], 0 : SIZE[0], 0:3].astype(np.float64)
    noise = np.random.Generator(np.random.PCG64(1)).normal(0.0, 12.0, x.shape)
    waves = 30 * np.sin(x / 5 + c) + 25 * np.cos(y / 3 - x / 17)
    image = Image.fromarray(np.clip(128 + waves + noise, 40, 215).astype(np.uint8))
    return transform.open_photo(image, 1080)


def draw(length):
    return bytes(7 * i % 256 for i in range(length))


def stage_of(channel):
    secret = SharedKey(crypto.key_input(PASSPHRASE, FINGERPRINT))
    precover = transform.press(photo(), channel.quality, 0, 2.0)
    return embedding.prepare(precover, channel.reading, lambda salt: secret.at(salt).channel_keys())


def flip(data, *places):
    damaged = bytearray(data)
    for place in places:
        damaged[place] ^= 0xA5
    return bytes(damaged)


class Parts:
    """A body, its plan and its streams; faults are put in where they belong."""

    def __init__(self, name, plaintext=None, parity=24, spread=0, associated=None):
        self.stage = stage_of(profiles.parse(name))
        if plaintext is None:
            plaintext = layout.pack(layout.Header(1, FINGERPRINT[:8]), PAYLOAD)
        sealed = associated or self.stage.associated
        self.body = zones.lock(self.stage.keys, draw(zones.NONCE_BYTES), plaintext, sealed)
        self.plan = Plan(len(self.body), parity, spread)
        self.header = coding.pack_plan(self.plan, zones.MIN_BODY_BYTES, self.stage.keys.header_pad)

    def jpeg(self, *, body=None, stream=None, header=None):
        stream = stream or self.plan.framing.encode(body or self.body)
        return embedding.write(self.stage, self.plan, header or self.header, stream).jpeg

    @property
    def stream(self):
        return self.plan.framing.encode(self.body)


def saved(jpeg, kind, change=lambda image: image, **options):
    buffer = io.BytesIO()
    change(Image.open(io.BytesIO(jpeg)).convert("RGB")).save(buffer, kind, **options)
    return buffer.getvalue()


def brightened_to_the_right(image):
    ramp = np.linspace(0, 80, image.width).astype(np.uint8)[None, :, None]
    return Image.fromarray(np.minimum(np.asarray(image).astype(int) + ramp, 255).astype(np.uint8))


def cases():
    """Yield name, expectation, file and passphrase."""
    known, fine, rough = Parts("jpeg:80"), Parts("any"), Parts("any:60", spread=2, parity=16)
    yield "known-table", "ok", known.jpeg(), PASSPHRASE
    again = saved(known.jpeg(), "JPEG", quality=80)
    yield "known-table-again", "ok", again, PASSPHRASE
    yield (
        "known-table-at-another-quality",
        "reject",
        saved(known.jpeg(), "JPEG", quality=60),
        PASSPHRASE,
    )
    jpeg = fine.jpeg()
    yield "any", "ok", jpeg, PASSPHRASE
    yield "any-at-75", "ok", saved(jpeg, "JPEG", quality=75), PASSPHRASE
    yield "any-at-92-full-colour", "ok", saved(jpeg, "JPEG", quality=92, subsampling=0), PASSPHRASE
    yield "any-progressive", "ok", saved(jpeg, "JPEG", quality=90, progressive=True), PASSPHRASE
    for name, qualities in (("85-then-80", (85, 80)), ("90-80-85", (90, 80, 85)), ("65", (65,))):
        again = jpeg
        for quality in qualities:
            again = saved(again, "JPEG", quality=quality)
        yield f"any-at-{name}", "ok", again, PASSPHRASE
    yield "any-as-png", "ok", saved(jpeg, "PNG", optimize=True), PASSPHRASE
    yield "any-as-webp", "ok", saved(jpeg, "WEBP", lossless=True), PASSPHRASE
    yield "any-60-at-62", "ok", saved(rough.jpeg(), "JPEG", quality=62), PASSPHRASE
    yield "wrong-passphrase", "reject", jpeg, "correct hors"
    yield "nothing-hidden", "reject", fine.stage.precover.encode(), PASSPHRASE
    uneven = saved(jpeg, "PNG", brightened_to_the_right)
    yield "other-salt", "reject", uneven, PASSPHRASE
    shifted = saved(jpeg, "PNG", lambda image: image.crop((1, 0, *image.size)))
    yield "one-column-less", "reject", shifted, PASSPHRASE
    right = flip(fine.stream, *range(0, 12))
    yield "as-many-bytes-wrong-as-can-be", "ok", fine.jpeg(stream=right), PASSPHRASE
    lost = flip(fine.stream, *range(len(fine.stream)))
    yield "every-byte-wrong", "reject", fine.jpeg(stream=lost), PASSPHRASE
    yield (
        "header-with-ten-bytes-wrong",
        "ok",
        fine.jpeg(header=flip(fine.header, *range(10))),
        (PASSPHRASE),
    )
    for name, place in (("nonce", 0), ("commitment", 16), ("text", 24), ("tag", -1)):
        yield f"{name}-byte", "reject", fine.jpeg(body=flip(fine.body, place)), PASSPHRASE
    other = fine.stage.associated[:-4] + (1).to_bytes(4, "little")
    yield "sealed-for-another-reading", "reject", Parts("any", associated=other).jpeg(), PASSPHRASE
    newer = layout.pack(layout.Header(1, FINGERPRINT[:8], version=3), b"")
    yield "newer-version", "newer", Parts("any", newer).jpeg(), PASSPHRASE


def main():
    """Write one file a case."""
    (HERE / "robust").mkdir(exist_ok=True)
    classes = {"ok": "ok", "reject": "ExtractionError", "newer": "FormatVersionError"}
    for name, expect, file, passphrase in cases():
        entry = {
            "expect": classes[expect],
            "payload": PAYLOAD.hex() if expect == "ok" else None,
            "passphrase": passphrase,
            "fingerprint": FINGERPRINT.hex(),
            "picture": base64.b64encode(file).decode(),
        }
        path = HERE / "robust" / f"{name}.json"
        path.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
