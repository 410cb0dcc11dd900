"""Write the container vectors.  They are frozen: run this only for a new format version.

    python tests/vectors/container/make.py

Everything is computed with this project's own code; what makes the vectors worth having is that
they do not change when the code does.  Faults are one each.
"""

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

import stc
from deephide import container, crypto, hiding, latent_codec
from deephide.keystream import keyed_order, public_order
from e2style.quantizer import Quantizer

HERE = Path(__file__).parent
FINGERPRINT = bytes(range(32))
SALT = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
SIZE = (64, 64, 1)


def locked(passphrase, plaintext, salt=SALT, size=SIZE):
    key_input = crypto.key_input(passphrase, FINGERPRINT)
    zones = container.Zones(size[0] * size[1] * size[2])
    return hiding.lock(plaintext, key_input, salt, zones, container.associated_data(*size))


def case(name, passphrase, expect, lock, plaintext=b"", **changes):
    size = changes.pop("size", SIZE)
    entry = {
        "name": name,
        "passphrase": passphrase,
        "fingerprint": FINGERPRINT.hex(),
        "width": size[0],
        "height": size[1],
        "channels": size[2],
        "salt": lock.salt.hex(),
        "length": lock.length.hex(),
        "body": lock.body.hex(),
        "expect": expect,
        "plaintext": plaintext.hex(),
    }
    return entry | changes


def flip(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged).hex()


def containers():
    header = container.Header(container.CODEC_LATENT, FINGERPRINT[:8])
    plain = container.pack(header, b"payload")
    good = locked("correct horse", plain)
    empty = container.pack(header, b"")
    newer = container.pack(container.Header(1, FINGERPRINT[:8], version=2), b"")
    choices = container.Zones(4096).max_body_bytes - container.MIN_BODY_BYTES + 1
    keys = crypto.derive_keys(crypto.key_input("correct horse", FINGERPRINT), SALT)
    other = int.from_bytes(keys.length_pad, "little") ^ (len(good.body) - 26 + choices)
    accented = "caf\u00e9"
    return [
        case("passphrase", "correct horse", "ok", good, plain),
        case("no passphrase", None, "ok", locked(None, plain), plain),
        case("empty payload", "x", "ok", locked("x", empty), empty),
        case("composed accent", accented, "ok", locked(accented, plain), plain),
        case("decomposed accent", "cafe\u0301", "ok", locked(accented, plain), plain),
        case("newer version", "x", "FormatVersionError", locked("x", newer)),
        case("wrong passphrase", "correct hors", "ExtractionError", good),
        case("no passphrase given", None, "ExtractionError", good),
        case(
            "another model without a passphrase",
            None,
            "ExtractionError",
            locked(None, plain),
            fingerprint=bytes(32).hex(),
        ),
        case("salt bit", "correct horse", "ExtractionError", good, salt=flip(SALT, 77)),
        case("length bit", "correct horse", "ExtractionError", good, length=flip(good.length, 0)),
        case("body bit", "correct horse", "ExtractionError", good, body=flip(good.body, 3)),
        case("tag bit", "correct horse", "ExtractionError", good, body=flip(good.body, 8 * 32)),
        case("another shape", "correct horse", "ExtractionError", good, size=(32, 128, 1)),
        case(
            "length not in canonical form",
            "correct horse",
            "ExtractionError",
            good,
            length=other.to_bytes(4, "little").hex(),
        ),
    ]


def quantizer():
    size = (1, 512)
    tables = np.array([[10, 100, 2**24 - 220, 100, 10], [2**22, 2**22, 2**22, 2**21, 2**21]])
    return Quantizer(
        w_avg=np.zeros(size, np.float32),
        step=np.ones(size, np.float32),
        table_index=(np.arange(512) % 16 == 3).astype(np.uint8).reshape(size),
        tables=tables.astype(np.uint32),
    )


def latents():
    model = quantizer()
    index = np.arange(512)
    values = np.where(index % 16 == 3, index // 16 % 5 - 2, (index == 200) * 2 - (index == 9))
    data = latent_codec.encode(values.astype(np.int32).reshape(1, 512), model)
    base = {
        "tables": model.tables.tolist(),
        "table_index": model.table_index.ravel().tolist(),
        "integers": values.tolist(),
    }
    cases = [
        ("round trip", data, "ok"),
        ("last byte missing", data[:-1], "reject"),
        ("one byte more", data + b"\x01", "reject"),
        ("ends in zero", data + b"\x00", "reject"),
        ("empty", b"", "reject"),
    ]
    return base | {
        "cases": [{"name": name, "data": raw.hex(), "expect": what} for name, raw, what in cases]
    }


def orders():
    keys = [bytes(32), bytes(range(32))]
    return {
        "keyed": [
            {"key": key.hex(), "n": 20, "order": keyed_order(key, 20).tolist()} for key in keys
        ],
        "public": [{"n": 4096, "first": public_order(4096)[:20].tolist()}],
    }


def picture():
    """A 64 x 64 gray picture with a container in it."""
    rng = np.random.Generator(np.random.PCG64(1))
    cover = rng.integers(0, 256, 4096).astype(np.uint8)
    p1, m1 = stc.costs.wet(cover, 1.0 + rng.random(4096))
    header = container.Header(container.CODEC_LATENT, FINGERPRINT[:8])
    plain = container.pack(header, b"payload")
    hidden = hiding.hide(
        cover,
        p1,
        m1,
        crypto.key_input("correct horse", FINGERPRINT),
        plain,
        container.associated_data(*SIZE),
        draw_salt=lambda _: SALT,
    )
    buffer = io.BytesIO()
    Image.fromarray(hidden.elements.reshape(64, 64)).save(buffer, "PNG")
    return buffer.getvalue()


def main():
    for name, content in (
        ("container", containers()),
        ("latent", latents()),
        ("order", orders()),
    ):
        indent = 1 if name == "container" else None
        text = json.dumps(content, indent=indent, ensure_ascii=True) + "\n"
        (HERE / f"{name}.json").write_text(text)
    (HERE / "stego.png").write_bytes(picture())


if __name__ == "__main__":
    main()
