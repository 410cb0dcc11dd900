"""Generator of the container vectors.  They are frozen: run it only for a new format version.

    python tests/vectors/container/make.py

Everything is computed with this project's own code; what makes the vectors worth having is that
they do not change when the code does.  Faults are one each.
"""

import base64
import dataclasses
import hashlib
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

import stc
from deephide.codecs import file as file_codec
from deephide.codecs import image as image_codec
from deephide.codecs import latent, paper
from deephide.container import brightness, crypto, elligator, hiding, key_files, keys, layout
from deephide.container.canvas import Canvas, ChangeCosts
from deephide.container.keystream import Order, public_order
from deephide.container.zones import keyed_zones, public_zone, stanza_zone
from deephide.covers.opening import open_cover
from deephide.formats import still as bitstreams
from e2style.quantizer import Quantizer

HERE = Path(__file__).parent
FINGERPRINT = bytes(range(32))
GRAY = (64, 64, 1)
COLOUR = (96, 64, 3)


def stream(seed):
    """Bytes in the place of the system's randomness, the same at every run."""
    state = hashlib.sha256(seed.encode()).digest()

    def draw(length):
        nonlocal state
        out = b""
        while len(out) < length:
            state = hashlib.sha256(state).digest()
            out += state
        return out[:length]

    return draw


def cover_of(size):
    y, x, c = np.mgrid[0 : size[1], 0 : size[0], 0 : size[2]]
    return (20 + (3 * x + 5 * y + 40 * c) % 211).astype(np.uint8).reshape(-1)


def salt_of(samples, size):
    dc = brightness.dc_of_samples(samples.reshape(size[1], size[0], size[2]))
    return brightness.salt_of(dc, brightness.DC_SCALE, size[:2])


@dataclasses.dataclass
class Stego:
    """What the zones of an image carry; a fault is put into it before it is written."""

    opening: keys.Opening
    length: bytes
    body: bytes
    size: tuple[int, int, int]

    def samples(self):
        return self.write_into(cover_of(self.size))

    def write_into(self, elements, low=0, high=255):
        zones = layout.Zones(elements.size, len(self.opening.public))
        rng = np.random.Generator(np.random.PCG64(1))
        p1, m1 = stc.costs.wet(elements, 1.0 + rng.random(elements.size), low, high)
        keys = self.opening.keys
        canvas = Canvas(elements, ChangeCosts([(p1, m1)], elements.size, elements.size))
        canvas.write(public_zone(zones), self.opening.public + keys.commitment)
        for stanza in self.opening.stanzas:
            canvas.write(stanza_zone(zones, stanza.order_key), stanza.data, freeze=True)
        length_zone, body_zone = keyed_zones(zones, keys.order)
        canvas.write(length_zone, self.length)
        canvas.write(body_zone, self.body)
        return canvas.stego

    def but(self, **changes):
        public = changes.pop("public", self.opening.public)
        commitment = changes.pop("commitment", self.opening.keys.commitment)
        opened = dataclasses.replace(self.opening.keys, commitment=commitment)
        opening = dataclasses.replace(self.opening, public=public, keys=opened)
        return dataclasses.replace(self, **{"opening": opening} | changes)


def seal(opening, plaintext, size=GRAY):
    zones = layout.Zones(size[0] * size[1] * size[2], len(opening.public))
    associated = layout.associated_data(*size)
    return Stego(opening, *hiding.lock(plaintext, opening.keys, zones, associated), size)


def shared(seed, passphrase, plaintext, size=GRAY, key_file=None):
    secret = keys.SharedKey(crypto.key_input(passphrase, FINGERPRINT, key_file))
    picture = salt_of(cover_of(size), size)
    for number in range(32):
        stego = seal(secret.at(picture).begin(stream(f"{seed}{number}")), plaintext, size)
        if salt_of(stego.samples(), size) == picture:
            return stego
    raise SystemExit(f"{seed}: no stego has its cover's brightness")


def public(seed, privates, plaintext, size=GRAY):
    key = keys.Recipients([crypto.x25519_public(private) for private in privates])
    return seal(key.begin(stream(seed)), plaintext, size)


def png(image):
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def flip(data, bit):
    damaged = bytearray(data)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def plain(payload, **header):
    return layout.pack(layout.Header(1, FINGERPRINT[:8], **header), payload)


class Cases:
    """Collects one scenario after the other."""

    def __init__(self):
        self.found = {}

    def add(self, name, expect, stego, payload=None, *, samples=None, size=None, **secrets):
        size = size or (stego.size if stego else GRAY)
        samples = stego.samples() if samples is None else samples
        array = samples.reshape(size[1], size[0], size[2])
        image = Image.fromarray(array[:, :, 0] if size[2] == 1 else array)
        self.add_file(name, expect, png(image), payload, **secrets)

    def add_file(self, name, expect, raw, payload=None, **secrets):
        self.found[name] = {
            "expect": expect,
            "payload": None if payload is None else payload.hex(),
            "passphrase": secrets.get("passphrase"),
            "key_file": secrets["key_file"].hex() if "key_file" in secrets else None,
            "identity": secrets["identity"].hex() if "identity" in secrets else None,
            "fingerprint": secrets.get("fingerprint", FINGERPRINT).hex(),
            "picture": base64.b64encode(raw).decode(),
        }

    def reject(self, name, stego, **secrets):
        self.add(name, "ExtractionError", stego, **secrets)


def shared_cases(cases):
    text, other, data = "correct horse", "correct hors", b"payload"
    good = shared("passphrase", text, plain(data))
    zones = layout.Zones(4096)
    longest = bytes(range(zones.max_body_bytes - layout.MIN_BODY_BYTES))
    cases.add("passphrase", "ok", good, data, passphrase=text)
    cases.add("no-passphrase", "ok", shared("none", None, plain(data)), data)
    cases.add("empty-payload", "ok", shared("empty", "x", plain(b"")), b"", passphrase="x")
    cases.add("longest-body", "ok", shared("long", "x", plain(longest)), longest, passphrase="x")
    accents = shared("accents", "caf\u00e9", plain(data))
    cases.add("composed-accent", "ok", accents, data, passphrase="caf\u00e9")
    cases.add("decomposed-accent", "ok", accents, data, passphrase="cafe\u0301")
    rgb = shared("rgb", "x", plain(data * 20), COLOUR)
    cases.add("rgb", "ok", rgb, data * 20, passphrase="x")
    samples = good.samples()
    samples[1234] += 4
    cases.add("sample-plus-four", "ok", good, data, samples=samples, passphrase=text)
    samples = good.samples()
    samples[1234] -= 1
    cases.reject("sample-minus-one", good, samples=samples, passphrase=text)
    cases.reject("wrong-passphrase", good, passphrase=other)
    cases.reject("missing-passphrase", good)
    cases.reject("nothing-hidden", None, samples=cover_of(GRAY), passphrase=text)
    cases.reject("other-model", shared("none", None, plain(data)), fingerprint=bytes(32))
    secret = keys.SharedKey(crypto.key_input(text, FINGERPRINT))
    elsewhere = seal(secret.at(bytes(16)).begin(stream("elsewhere")), plain(data))
    cases.reject("keys-of-another-picture", elsewhere, passphrase=text)
    cases.reject("salt-bit", good.but(public=flip(good.opening.public, 77)), passphrase=text)
    commitment = flip(good.opening.keys.commitment, 63)
    cases.reject("commitment-bit", good.but(commitment=commitment), passphrase=text)
    cases.reject("length-bit", good.but(length=flip(good.length, 0)), passphrase=text)
    cases.reject("body-bit", good.but(body=flip(good.body, 3)), passphrase=text)
    cases.reject("tag-bit", good.but(body=flip(good.body, 8 * 32)), passphrase=text)
    cases.reject("other-shape", good, size=(32, 128, 1), passphrase=text)
    small = cover_of((63, 65, 1))
    cases.reject("too-small", None, samples=small, size=(63, 65, 1), passphrase=text)
    choices = zones.max_body_bytes - layout.MIN_BODY_BYTES + 1
    value = int.from_bytes(good.opening.keys.length_pad, "little") ^ (len(good.body) - 26 + choices)
    length = value.to_bytes(4, "little")
    cases.reject("length-not-canonical", good.but(length=length), passphrase=text)
    newer = shared("newer", "x", plain(b"", version=3))
    cases.add("newer-version", "FormatVersionError", newer, passphrase="x")


def gray_cases(cases):
    """One container, and the ways to store a gray image; colour in one pixel makes it another."""
    text, data = "correct horse", b"payload"
    stego = shared("gray", text, plain(data))
    gray = Image.fromarray(stego.samples().reshape(GRAY[1], GRAY[0]))
    alpha = Image.fromarray(np.tile(np.arange(0, 256, 4, dtype=np.uint8), (GRAY[1], 1)))
    transparent = gray.convert("RGBA")
    transparent.putalpha(alpha)
    palette = gray.convert("P")
    palette.putpalette([value for value in range(256) for _ in range(3)])
    coloured = gray.convert("RGB")
    red, green, blue = coloured.getpixel((9, 7))
    coloured.putpixel((9, 7), (red + 4, green, blue))
    for name, image in (
        ("gray-as-rgb", gray.convert("RGB")),
        ("gray-as-rgba", transparent),
        ("gray-with-alpha", transparent.convert("LA")),
        ("gray-with-palette", palette),
    ):
        cases.add_file(name, "ok", png(image), data, passphrase=text)
    cases.add_file("gray-but-one-pixel", "ExtractionError", png(coloured), passphrase=text)


def jpeg_cases(cases):
    """4:2:0, so that a component has blocks that are no elements; the second one is progressive."""
    text, data = "correct horse", b"payload"
    width, height = 72, 88
    samples = cover_of((width, height, 3)).reshape(height, width, 3)
    for name, options in (("jpeg", {}), ("jpeg-progressive", {"progressive": True})):
        buffer = io.BytesIO()
        Image.fromarray(samples).save(buffer, "JPEG", quality=85, subsampling=2, **options)
        cover = open_cover(buffer.getvalue())
        n = cover.elements.size
        secret = keys.SharedKey(crypto.key_input(text, FINGERPRINT, None))
        key = secret.at(cover.salt(cover.elements))
        opening = key.begin(stream(name))
        zones = layout.Zones(n, len(opening.public))
        sealed = hiding.lock(plain(data), opening.keys, zones, cover.associated)
        stego = Stego(opening, *sealed, cover.shape)
        elements = stego.write_into(cover.elements, -1023, 1023)
        assert cover.salt(elements) == key.picture
        cases.add_file(name, "ok", cover.encode(elements), data, passphrase=text)
    sealed = hiding.lock(plain(data), opening.keys, zones, layout.associated_data(*cover.shape))
    elements = Stego(opening, *sealed, cover.shape).write_into(cover.elements, -1023, 1023)
    raw = cover.encode(elements)
    cases.add_file("jpeg-sealed-as-samples", "ExtractionError", raw, passphrase=text)


def key_file_cases(cases):
    data, one, two = b"payload", bytes(range(64)), bytes(range(1, 65))
    alone = shared("key file", None, plain(data), key_file=one)
    both = shared("both", "x", plain(data), key_file=one)
    cases.add("key-file", "ok", alone, data, key_file=one)
    cases.add("key-file-and-passphrase", "ok", both, data, key_file=one, passphrase="x")
    cases.reject("wrong-key-file", alone, key_file=two)
    cases.reject("key-file-with-extra-passphrase", alone, key_file=one, passphrase="x")
    cases.reject("key-file-without-its-passphrase", both, key_file=one)
    cases.reject("passphrase-without-its-key-file", both, passphrase="x")


def padding_cases(cases):
    data = bytes(range(1, 60))
    cases.add("padded", "ok", shared("p", "x", plain(data, padded=True)), data, passphrase="x")
    empty = shared("p0", "x", plain(b"", padded=True))
    cases.add("padded-empty", "ok", empty, b"", passphrase="x")
    zeros = b"ends in zeros" + bytes(7)
    ends = shared("pz", "x", plain(zeros, padded=True))
    cases.add("padded-payload-of-zeros", "ok", ends, zeros, passphrase="x")
    for name, tail in (
        ("padding-without-marker", bytes(8)),
        ("padding-empty", b""),
        ("padding-other-marker", b"payload\x02"),
        ("padding-too-long", b"payload\x01\0"),
        ("padding-too-short", bytes(range(100, 116)) + b"\x01"),
    ):
        stego = shared(name, "x", bytes((layout.VERSION, 0x81)) + FINGERPRINT[:8] + tail)
        cases.reject(name, stego, passphrase="x")


def recipient_cases(cases):
    privates, data = [hashlib.sha256(bytes([k])).digest() for k in range(4)], b"payload"
    one = public("one", privates[:1], plain(data))
    two = public("two", privates[:2], plain(b""))
    three = public("three", privates[:3], plain(data * 10, padded=True), COLOUR)
    cases.add("recipient", "ok", one, data, identity=privates[0])
    for k in range(2):
        cases.add(f"two-recipients-{k + 1}", "ok", two, b"", identity=privates[k])
    for k in range(3):
        cases.add(f"three-recipients-{k + 1}", "ok", three, data * 10, identity=privates[k])
    ephemeral = one.opening.public
    cases.reject("wrong-identity", three, identity=privates[3])
    cases.reject("ephemeral-bit", one.but(public=flip(ephemeral, 9)), identity=privates[0])
    cases.reject("ephemeral-high-bit", one.but(public=flip(ephemeral, 255)), identity=privates[0])
    commitment = flip(one.opening.keys.commitment, 0)
    cases.reject("recipient-commitment-bit", one.but(commitment=commitment), identity=privates[0])
    stanza = one.opening.stanzas[0]
    damaged = dataclasses.replace(stanza, data=flip(stanza.data, 0))
    opening = dataclasses.replace(one.opening, stanzas=(damaged,))
    cases.reject("stanza-bit", one.but(opening=opening), identity=privates[0])
    cases.reject("recipient-body-bit", one.but(body=flip(one.body, 0)), identity=privates[0])
    cases.reject("passphrase-for-recipients", one, passphrase="x")
    cases.reject("identity-for-passphrase", shared("i", "x", plain(data)), identity=privates[0])
    # All zeros stand for the point (0, 0): the shared secret is zero and no secret at all.
    wrap = crypto.derive_wrap(bytes(32), bytes(32), crypto.x25519_public(privates[0]))
    stanzas = (keys.Stanza(wrap.order, wrap.pad),)
    opening = keys.Opening(bytes(32), crypto.derive_file_keys(bytes(16), bytes(32)), stanzas)
    cases.reject("zero-shared-secret", seal(opening, plain(data)), identity=privates[0])


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
    data = latent.compress(values.astype(np.int32).reshape(1, 512), model)
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


def payloads():
    """Parameters and payloads of the codecs without a quantizer; faults are one each."""
    y, x = np.mgrid[0:30, 0:40]
    smooth = np.stack((6 * x, 8 * y, 120 + 2 * (x + y)), axis=2).astype(np.uint8)
    picture = Image.fromarray(smooth)
    found = {}

    def add(name, codec, parameters, payload, content=None):
        found[name] = {
            "codec": codec,
            "parameters": parameters.hex(),
            "payload": payload.hex(),
            "expect": "reject" if content is None else "ok",
            "content": content,
        }

    settings = {1: {"quality": 40}, 2: {"lossless": True}, 3: {"quality": 40, "max_threads": 1}}
    for kind, name in image_codec.FORMATS.items():
        buffer = io.BytesIO()
        picture.save(buffer, "AVIF" if kind == 3 else "WEBP", **settings[kind])
        file = buffer.getvalue()
        data = bitstreams.strip(kind, file)
        sizes = b"".join(n.to_bytes(2, "little") for n in (80, 60, 40))
        parameters = bytes([kind]) + sizes + b"\0"
        digest = hashlib.sha256(file).hexdigest()
        add(name, "image", parameters, data, {"file": digest, "coded": [40, 30], "shown": [80, 60]})
        add(f"{name}, reserved byte", "image", parameters[:7] + b"\1", data)
        add(f"{name}, too wide", "image", parameters[:5] + b"\1\4\0", data)
        add(f"{name}, no width", "image", parameters[:1] + bytes(2) + parameters[3:], data)
    avif = bytes([3]) + b"".join(n.to_bytes(2, "little") for n in (80, 62, 40)) + b"\0"
    add("AVIF, other height than its sequence header", "image", avif, data)
    text = b"to be or not to be, that is the question: " * 3
    parameters, packed = file_codec.compress(text)
    add("compressed", "file", parameters, packed, {"name": "", "bytes": text.hex()})
    stored = file_codec.compress(b"\x07")
    add("stored", "file", *stored, {"name": "", "bytes": "07"})
    add("nothing", "file", *file_codec.compress(b""), {"name": "", "bytes": ""})
    for title, data in (
        ("compressed, named", text),
        ("stored, named", b"\x07"),
        ("a name alone", b""),
    ):
        named = file_codec.compress(data, "Hamlet, été.txt")
        add(title, "file", *named, {"name": "Hamlet, été.txt", "bytes": data.hex()})
    add("other size", "file", parameters[:1] + b"\x01" + parameters[2:], packed)
    add("stored, other size", "file", stored[0], b"\x07\x08")
    add("too large a size", "file", parameters[:4] + b"\x04" + parameters[5:], packed)
    add("other method", "file", b"\x02" + parameters[1:], packed)
    add("file, reserved byte", "file", parameters[:7] + b"\1", packed)
    add("byte missing", "file", parameters, packed[:-1])
    add("byte left over", "file", parameters, packed + b"\0")
    add("a name that is longer than the file", "file", stored[0][:5] + b"\2\0\0", b"\x07")
    for title, name in (
        ("a path", b"a/b"),
        ("a path of Windows", b"a\\b"),
        ("a drive", b"a:b"),
        ("a name of dots", b".."),
        ("a hidden name", b".profile"),
        ("an option", b"-rf"),
        ("a name that ends in a space", b"a "),
        ("a name with a control character", b"a\x1bb"),
        ("a name that is turned around", "a\u202eb".encode()),
        ("a name that is no UTF-8", b"\xff"),
        ("a device", b"nul.txt"),
        ("a name of 129 bytes", b"a" * 129),
    ):
        size = len(name).to_bytes(4, "little")
        add(title, "file", b"\0" + size + bytes([len(name), 0, 0]), name)
    integers = (np.arange(512) * 37 % 511 - 255).astype(np.int32)
    nine_bits = paper.pack(integers)
    add("paper", "paper", bytes(8), nine_bits, integers.tolist())
    add("paper, byte missing", "paper", bytes(8), nine_bits[:-1])
    add("paper, zero with a sign", "paper", bytes(8), b"\x80" + bytes(575))
    return found


def orders():
    keys = [bytes(32), bytes(range(32))]
    return {
        "keyed": [
            {"key": key.hex(), "n": 20, "order": Order(key, 20).places(0, 20).tolist()}
            for key in keys
        ],
        "public": [{"n": 768, "first": public_order(768).places(0, 20).tolist()}],
    }


def representatives():
    """Private keys and tweaks with the representatives they lead to, and any bytes with points."""
    found, draw = [], stream("representatives")
    while len(found) < 16:
        private, k, tweak = draw(32), *draw(2)
        point = elligator.add_low_order(crypto.x25519_public(private), k & 7)
        data = elligator.to_representative(point, tweak)
        if data is not None:
            found.append({"private": private.hex(), "bytes": data.hex(), "point": point.hex()})
    for data in (bytes(32), b"\xff" * 32, draw(32), draw(32)):
        point = elligator.from_representative(data)
        found.append({"private": None, "bytes": data.hex(), "point": point.hex()})
    return found


def key_texts():
    private = bytes(range(32))
    public = crypto.x25519_public(private)
    return {
        "private": private.hex(),
        "identity": key_files.format_identity(private),
        "public": public.hex(),
        "public_text": key_files.format_public_key(public),
    }


def main():
    for name, content in (
        ("latent", latents()),
        ("order", orders()),
        ("payloads", payloads()),
        ("representatives", representatives()),
        ("key_texts", key_texts()),
    ):
        text = json.dumps(content, ensure_ascii=True) + "\n"
        (HERE / f"{name}.json").write_text(text)
    cases = Cases()
    for family in (
        shared_cases,
        gray_cases,
        jpeg_cases,
        key_file_cases,
        padding_cases,
        recipient_cases,
    ):
        family(cases)
    for name, entry in cases.found.items():
        text = json.dumps(entry, indent=1, ensure_ascii=True) + "\n"
        (HERE / "cases" / f"{name}.json").write_text(text)


if __name__ == "__main__":
    main()
