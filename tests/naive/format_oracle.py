"""A second receiver, slow and written from docs/format.md alone (even its table of columns)."""

import hashlib
import hmac
import itertools
import json
import math
import unicodedata
from fractions import Fraction

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

M64 = (1 << 64) - 1


def read_appendix(text):
    table = {}
    for line in text.split("## Appendix")[1].splitlines():
        words = line.split()
        if line.startswith("    ") and words:
            table[int(words[0])] = [int(word, 16) for word in words[1:]]
            assert len(table[int(words[0])]) == int(words[0])
    return table


def mix(z):
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & M64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & M64
    return z ^ (z >> 31)


def make_columns(width, table):
    if width in table:
        return table[width]
    columns = []
    for group in range(-(-width // 1024)):
        seed = mix(256 * width + 12)
        draws = [mix(seed + (1024 * group + j + 1) * 0x9E3779B97F4A7C15 & M64) for j in range(1024)]
        ranked = sorted(range(1024), key=lambda j: (draws[j], j))
        columns += [1 + 2 * ranked[j] + 2048 for j in range(1024)]
    return columns[:width]


def syndrome(bits, m, table):
    n, out, state = len(bits), [], 0
    ends = [(2 * k * n + m) // (2 * m) for k in range(m + 1)]
    columns = {width: make_columns(width, table) for width in {n // m, -(-n // m)}}
    for first, last in itertools.pairwise(ends):
        for i in range(first, last):
            if bits[i]:
                state ^= columns[last - first][i - first]
        out.append(state & 1)
        state >>= 1
    return out


def message(elements, n_bytes, table):
    m = 8 * n_bytes
    bits = syndrome([x & 1 for x in elements], m - m // 2, table)
    bits += syndrome([x >> 1 & 1 for x in elements], m // 2, table)
    return bytes(sum(bits[8 * i + j] << j for j in range(8)) for i in range(n_bytes))


def order(key, n):
    """Section 5, number by number."""
    a = math.isqrt(n - 1) + 1
    b = (n + a - 1) // a
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor()
    tables = []
    for size, modulus in [(b, a), (a, b)] * 4:
        words = stream.update(bytes(8 * size))
        tables.append(
            [int.from_bytes(words[8 * i : 8 * i + 8], "little") % modulus for i in range(size)]
        )

    def once(number):
        r, left = divmod(number, a)
        for k, table in enumerate(tables):
            if k % 2:
                r = (r + table[left]) % b
            else:
                left = (left + table[r]) % a
        return r * a + left

    found = []
    for number in range(n):
        number = once(number)  # noqa: PLW2901
        while number >= n:
            number = once(number)  # noqa: PLW2901
        found.append(number)
    return found


def expand(root, info, length):
    return hmac.digest(root, info + b"\x01", "sha256")[:length]


class RejectedError(Exception):
    """The one error."""


class OtherVersionError(Exception):
    """Authentic, but of another version."""


PRIME = 2**255 - 19


def jacobi(a, n):
    """The Jacobi symbol by reciprocity, without any power."""
    a, sign = a % n, 1
    while a:
        while a % 2 == 0:
            a //= 2
            if n % 8 in (3, 5):
                sign = -sign
        a, n = n, a
        if a % 4 == n % 4 == 3:
            sign = -sign
        a %= n
    return sign if n == 1 else 0


def elligator(data):
    r = int.from_bytes(data, "little") % 2**254
    x1 = -486662 * pow(1 + 2 * r * r, -1, PRIME) % PRIME
    g1 = (x1**3 + 486662 * x1**2 + x1) % PRIME
    return x1 if jacobi(g1, PRIME) >= 0 else (-x1 - 486662) % PRIME


def x25519(private, u):
    """The ladder of RFC 7748, section 5."""
    scalar = int.from_bytes(private, "little")
    scalar = scalar % 2**254 // 8 * 8 + 2**254
    x2, z2, x3, z3 = 1, 0, u, 1
    for bit in f"{scalar:0255b}":
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        x3, z3 = (d * a + c * b) ** 2 % PRIME, u * (d * a - c * b) ** 2 % PRIME
        e = a * a - b * b
        x2, z2 = a * a * b * b % PRIME, e * (a * a + 121665 * e) % PRIME
        if bit == "1":
            x2, z2, x3, z3 = x3, z3, x2, z2
    return (x2 * pow(z2, PRIME - 2, PRIME) % PRIME).to_bytes(32, "little")


def xor(one, other):
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def picture_salt(dc, scale, width, height):
    """Section 4.1: `dc` are the rows of the blocks' DC coefficients, `scale` units to a level."""

    def share(length, tile, block):
        first, last = max(tile * length, 64 * block), min((tile + 1) * length, 64 * (block + 1))
        return max(last - first, 0)

    tiles = []
    for i in range(8):
        for j in range(8):
            total = weights = 0
            for y, row in enumerate(dc):
                down = share(height, i, y)
                for x, value in enumerate(row if down else ()):
                    weight = down * share(width, j, x)
                    total, weights = total + weight * value, weights + weight
            tiles.append((total, weights))
    mean = Fraction(sum(t for t, _ in tiles), max(sum(w for _, w in tiles), 1))
    levels = [
        math.floor((Fraction(t, w) - mean) / (256 * scale) + Fraction(7, 16)) if w else 0
        for t, w in tiles
    ]
    text = b"deephide/2 picture brightness\0" + bytes(min(max(k, -8), 7) + 8 for k in levels)
    return hashlib.sha256(text).digest()[:16]


def dc_of(elements, shape, step):
    """Return the DC coefficients of luma and their scale; `step` is None of samples."""
    width, height, count = shape[:3]
    rows, columns = range(height // 8), range(width // 8)
    if step is not None:
        across = shape[3]
        return [[step * elements[64 * (y * across + x)] for x in columns] for y in rows], 1
    luma = elements
    if count == 3:
        red, green, blue = elements[::3], elements[1::3], elements[2::3]
        luma = [
            (19595 * r + 38470 * g + 7471 * b + 32768) // 65536
            for r, g, b in zip(red, green, blue, strict=True)
        ]
    block = [y * width + x for y in range(8) for x in range(8)]
    return [
        [sum(luma[8 * (y * width + x) + at] - 128 for at in block) for x in columns] for y in rows
    ], 8


def harden(picture, passphrase, key_file, fingerprint):
    text = None if passphrase is None else unicodedata.normalize("NFC", passphrase).encode()
    digest = None if key_file is None else hashlib.sha256(key_file).digest()
    if text is not None and digest is not None:
        key_input = b"deephide/2 key file and passphrase\0" + digest + text
    elif digest is not None:
        key_input = b"deephide/2 key file\0" + digest
    elif text is not None:
        key_input = b"deephide/2 passphrase\0" + text
    else:
        key_input = b"deephide/2 model\0" + fingerprint
    return Argon2id(salt=picture, length=32, iterations=3, lanes=4, memory_cost=65536).derive(
        key_input
    )


def samples(size, pixels):
    """Section 2.1: elements and shape (W, H, C) of an image, given (R, G, B) of all its pixels."""
    if all(red == green == blue for red, green, blue in pixels):
        return [red for red, _, _ in pixels], (*size, 1)
    return [sample for pixel in pixels for sample in pixel], (*size, 3)


def coefficients(path):
    """Section 2.2: elements and shape (W, H, C, X, Y, ...) of a JPEG file, read by libjpeg."""
    import jpeglib

    found = jpeglib.read_dct(str(path))
    planes = [plane for plane in (found.Y, found.Cb, found.Cr) if plane is not None]
    shape, elements = [found.width, found.height, len(planes)], []
    for plane in planes:
        shape += [len(plane[0]), len(plane)]
        elements += [int(x) for row in plane for block in row for line in block for x in line]
    return elements, tuple(shape)


def dc_step(path):
    """Return the step of the DC coefficients of a JPEG file's first component."""
    import jpeglib

    return int(jpeglib.read_dct(str(path)).qt[0].ravel()[0])


def receive(samples, shape, passphrase, fingerprint, text, key_file=None, identity=None, step=None):
    """Return the plaintext; `samples` is the list of elements.

    `shape` is (W, H, C), and of a JPEG file X and Y of each component follow; `step` is what
    `dc_step` returned of one.
    """
    table, n = read_appendix(text), len(samples)
    if n < 4096:
        raise RejectedError
    unit = max(n // 256, 32)
    size_public = unit * (24 if identity is None else 40)
    size_length = unit * 4
    public_key = hashlib.sha256(
        b"deephide/2 public order\0" + size_public.to_bytes(8, "little")
    ).digest()
    starts = [-(-k * n // size_public) for k in range(size_public + 1)]
    public_places = [
        first + (k * 2654435769 % 2**32) * (last - first) // 2**32
        for k, (first, last) in enumerate(itertools.pairwise(starts))
    ]
    taken = set(public_places)
    rest = [i for i in range(n) if i not in taken]
    zone = [samples[public_places[k]] for k in order(public_key, size_public)]
    zero = False
    if identity is None:
        opening = message(zone, 24, table)
        picture = picture_salt(*dc_of(samples, shape, step), *shape[:2])
        hardened = harden(picture, passphrase, key_file, fingerprint)
        root = expand(hardened, b"deephide/2 salt" + opening[:16], 32)
    else:
        opening = message(zone, 40, table)
        ephemeral = opening[:32]
        shared = x25519(identity, elligator(ephemeral))
        zero = shared == bytes(32)
        own = x25519(identity, 9)
        wrap = hmac.digest(ephemeral + own, shared, "sha256")
        stanza_order = order(expand(wrap, b"deephide/2 stanza order", 32), len(rest))
        size_stanza = 16 * max(n // 512, 32)
        stanza = message([samples[rest[j]] for j in stanza_order[:size_stanza]], 16, table)
        file_key = xor(stanza, expand(wrap, b"deephide/2 stanza", 16))
        root = hmac.digest(ephemeral, file_key, "sha256")
    places = [rest[j] for j in order(expand(root, b"deephide/2 order", 32), len(rest))]
    masked = message([samples[i] for i in places[:size_length]], 4, table)
    pad = expand(root, b"deephide/2 length", 4)
    value = int.from_bytes(masked, "little") ^ int.from_bytes(pad, "little")
    choices = (n - size_public - size_length) // 16 - 25
    body = message([samples[i] for i in places[size_length:]], 26 + value % choices, table)
    kind = b"picture" if len(shape) == 3 else b"JPEG"
    associated = b"deephide/2 " + kind + b"\0" + b"".join(x.to_bytes(4, "little") for x in shape)
    key = expand(root, b"deephide/2 seal key", 32)
    nonce = expand(root, b"deephide/2 seal nonce", 12)
    try:
        plaintext = ChaCha20Poly1305(key).decrypt(nonce, body, associated)
    except InvalidTag:
        raise RejectedError from None
    if opening[-8:] != expand(root, b"deephide/2 commitment", 8):
        raise RejectedError
    if zero or value >= choices:
        raise RejectedError
    return plaintext


def unpack(plaintext):
    """Return codec, fingerprint prefix and payload."""
    if plaintext[0] != 2:
        raise OtherVersionError
    codec, payload = plaintext[1], plaintext[10:]
    if codec >= 128:
        codec -= 128
        end = max((i for i, byte in enumerate(payload) if byte), default=-1)
        if end < 0 or payload[end] != 1:
            raise RejectedError
        # The class of end + 1 bytes: few significant bits, the others zero.
        e = math.floor(math.log2(end + 1))
        step = 2 ** max(e - (math.floor(math.log2(e)) + 1 if e else 0), 0)
        if len(payload) != math.ceil((end + 1) / step) * step:
            raise RejectedError
        payload = payload[:end]
    return codec, plaintext[2:10], payload


def reject_unless(fine):
    if not fine:
        raise RejectedError


def picture_file(parameters, payload):
    """Section 9.2: return the file to decode, its size and the display size."""
    reject_unless(len(payload) <= 65536)
    kind, last = parameters[0], parameters[7]
    dw, dh, w = (int.from_bytes(parameters[i : i + 2], "little") for i in (1, 3, 5))
    reject_unless(not last and 1 <= dw <= 4096 and 1 <= dh <= 4096 and dw * dh <= 1 << 22)
    h = max(1, (2 * w * dh + dw) // (2 * dw))
    reject_unless(1 <= w <= 1024 and h <= 1024)
    if kind == 3:
        return avif_file(w, h, payload), (w, h), (dw, dh)
    if kind == 1:
        size = w.to_bytes(2, "little") + h.to_bytes(2, "little")
        chunk, data = b"VP8 ", payload[:3] + b"\x9d\x01\x2a" + size + payload[3:]
    else:
        size = (w - 1 + (h - 1) * 2**14).to_bytes(4, "little")
        chunk, data = b"VP8L", b"\x2f" + size + payload
    even = data + b"\0" * (len(data) % 2)
    sizes = (12 + len(even)).to_bytes(4, "little"), len(data).to_bytes(4, "little")
    return b"RIFF" + sizes[0] + b"WEBP" + chunk + sizes[1] + even, (w, h), (dw, dh)


def avif_file(w, h, payload):
    s = payload[0] if payload else 0
    sequence, frame = payload[1 : 1 + s], payload[1 + s :]
    reject_unless(1 <= s <= 32 and frame)
    bits = "".join(f"{byte:08b}" for byte in sequence) + "0" * 64
    a, b = int(bits[10:14], 2) + 1, int(bits[14:18], 2) + 1
    largest = int(bits[18 : 18 + a], 2) + 1, int(bits[18 + a : 18 + a + b], 2) + 1
    reject_unless(bits[3:5] == "11" and largest == (w, h))
    length, rest = b"", len(frame)
    while rest >= 128:
        length, rest = length + bytes([rest % 128 + 128]), rest // 128
    data = b"\x12\0\x0a" + bytes([s]) + sequence + b"\x32" + length + bytes([rest]) + frame

    def box(name, *parts):
        content = b"".join(bytes.fromhex(p) if isinstance(p, str) else p for p in parts)
        return (8 + len(content)).to_bytes(4, "big") + name + content

    def big(value):
        return value.to_bytes(4, "big")

    def boxes(offset):
        ipco = box(
            b"ipco",
            box(b"ispe", "00000000", big(w), big(h)),
            box(b"pixi", "00000000 03080808"),
            box(b"av1C", "81000c00"),
            box(b"colr", b"nclx", "0001 000d 0006 80"),
        )
        meta = box(
            b"meta",
            "00000000",
            box(b"hdlr", "00000000 00000000", b"pict", bytes(13)),
            box(b"pitm", "00000000 0001"),
            box(b"iloc", "00000000 44 00 0001 0001 0000 0001", big(offset), big(len(data))),
            box(
                b"iinf",
                "00000000 0001",
                box(b"infe", "02000000 0001 0000", b"av01", b"Color", "00"),
            ),
            box(b"iprp", ipco, box(b"ipma", "00000000 00000001 0001 04 01 02 83 04")),
        )
        return box(b"ftyp", b"avif", "00000000", b"avifmif1miafMA1B") + meta

    return boxes(len(boxes(0)) + 8) + box(b"mdat", data)


DEVICES = "CON PRN AUX NUL CONIN$ CONOUT$".split() + [
    port + digit for port in ("COM", "LPT") for digit in "0123456789¹²³"
]


def file_bytes(parameters, payload, unpack_frame):
    """Section 9.3; `unpack_frame` decodes a whole Zstandard frame, with its magic number."""
    size, named = int.from_bytes(parameters[1:5], "little"), parameters[5]
    reject_unless(parameters[0] in (0, 1) and not any(parameters[6:]) and size <= 1 << 26)
    data = payload
    if parameters[0]:
        data = unpack_frame((0xFD2FB528).to_bytes(4, "little") + payload)
    reject_unless(len(data) == size and named <= min(size, 128))
    if not named:
        return "", data
    try:
        name = data[:named].decode("utf-8")
    except UnicodeDecodeError:
        raise RejectedError from None
    for character in name:
        code = ord(character)
        reject_unless(not (code < 0x20 or 0x7F <= code < 0xA0 or character in '/\\:*?"<>|'))
        reject_unless(code not in (0x200E, 0x200F))
        reject_unless(not (0x2028 <= code <= 0x202E or 0x2066 <= code <= 0x2069))
    reject_unless(name[0] not in ".- ~" and name[-1] not in ". ")
    reject_unless(name.partition(".")[0].rstrip(" ").upper() not in DEVICES)
    return name, data[named:]


def paper_integers(payload, n_codes):
    """Section 9.4."""
    reject_unless(len(payload) == n_codes * 576)
    bits = "".join(f"{byte:08b}" for byte in payload)
    words = [bits[i : i + 9] for i in range(0, len(bits), 9)]
    reject_unless("100000000" not in words)
    return [(-1 if word[0] == "1" else 1) * int(word[1:], 2) for word in words]


DTYPES = {"F16": "float16", "F32": "float32", "U8": "uint8", "U32": "uint32", "I64": "int64"}
DTYPES["BOOL"] = "bool"


def read_model(raw):
    """Section 9.1: tensors of a model file as (dtype, shape, bytes) by their names."""
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, about in header.items():
        first, last = about["data_offsets"]
        data = raw[8 + size + first : 8 + size + last]
        found[name] = about["dtype"], about["shape"], data
    return found


def model_fingerprint(tensors):
    """Section 9.1: SHA-256 of what the receiver needs of a model."""
    quantized = any(name.startswith("quantizer.") for name in tensors)
    starts = ("network.generator.",)
    if quantized:
        starts += ("network.w_avg", "quantizer.")
    digest = hashlib.sha256()
    for name in sorted(tensors, key=str.encode):
        if name.startswith(starts):
            dtype, shape, data = tensors[name]
            text = f"({shape[0]},)" if len(shape) == 1 else f"({', '.join(map(str, shape))})"
            digest.update(f"{name}|torch.{DTYPES[dtype]}|{text}|".encode() + data)
    return digest.digest()


def quantizer_names(tensors):
    """Section 9.1: what the names of each quality's tensors begin with."""
    count = sum(name.startswith("quantizer.") and name.endswith(".tables") for name in tensors)
    if count == 1:
        return ["quantizer."]
    return [f"quantizer.{q + 1:02d}." for q in range(count)]
