"""A second receiver, slow and written from docs/format.md alone (even its table of columns)."""

import hashlib
import hmac
import itertools
import math
import unicodedata

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
    stream = Cipher(algorithms.ChaCha20(key, bytes(16)), None).encryptor().update(bytes(8 * n))
    words = sorted(
        int.from_bytes(stream[8 * i : 8 * i + 8], "little") >> 28 << 28 | i for i in range(n)
    )
    return [word & (1 << 28) - 1 for word in words]


def expand(root, info, length):
    return hmac.digest(root, info + b"\x01", "sha256")[:length]


class RejectedError(Exception):
    """The one error."""


class NewerVersionError(Exception):
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


def shared_root(salt, passphrase, key_file, fingerprint):
    text = None if passphrase is None else unicodedata.normalize("NFC", passphrase).encode()
    digest = None if key_file is None else hashlib.sha256(key_file).digest()
    if text is not None and digest is not None:
        key_input = b"deephide/1 key file and passphrase\0" + digest + text
    elif digest is not None:
        key_input = b"deephide/1 key file\0" + digest
    elif text is not None:
        key_input = b"deephide/1 passphrase\0" + text
    else:
        key_input = b"deephide/1 model\0" + fingerprint
    return Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(
        key_input
    )


def receive(samples, shape, passphrase, fingerprint, text, key_file=None, identity=None):
    """Return the plaintext; `samples` is the list of elements, `shape` is (W, H, C)."""
    table, n = read_appendix(text), len(samples)
    if n < 4096:
        raise RejectedError
    size_public = min(max(n // 16, 1024), 1 << 18) * (1 if identity is None else 2)
    size_length = min(max(n // 64, 256), 1 << 16)
    public_key = hashlib.sha256(b"deephide/1 public order\0" + n.to_bytes(8, "little")).digest()
    public_places = order(public_key, n)[:size_public]
    taken = set(public_places)
    rest = [i for i in range(n) if i not in taken]
    zone = [samples[i] for i in public_places]
    zero = False
    if identity is None:
        root = shared_root(message(zone, 16, table), passphrase, key_file, fingerprint)
    else:
        ephemeral = message(zone, 32, table)
        shared = x25519(identity, elligator(ephemeral))
        zero = shared == bytes(32)
        own = x25519(identity, 9)
        wrap = hmac.digest(ephemeral + own, shared, "sha256")
        stanza_order = order(expand(wrap, b"deephide/1 stanza order", 32), len(rest))
        size_stanza = min(max(n // 32, 1024), 1 << 17)
        stanza = message([samples[rest[j]] for j in stanza_order[:size_stanza]], 16, table)
        file_key = xor(stanza, expand(wrap, b"deephide/1 stanza", 16))
        root = hmac.digest(ephemeral, file_key, "sha256")
    places = [rest[j] for j in order(expand(root, b"deephide/1 order", 32), len(rest))]
    masked = message([samples[i] for i in places[:size_length]], 4, table)
    pad = expand(root, b"deephide/1 length", 4)
    value = int.from_bytes(masked, "little") ^ int.from_bytes(pad, "little")
    choices = (n - size_public - size_length) // 16 - 25
    body = message([samples[i] for i in places[size_length:]], 26 + value % choices, table)
    associated = b"deephide/1 picture\0" + b"".join(x.to_bytes(4, "little") for x in shape)
    key = expand(root, b"deephide/1 seal key", 32)
    nonce = expand(root, b"deephide/1 seal nonce", 12)
    try:
        plaintext = ChaCha20Poly1305(key).decrypt(nonce, body, associated)
    except InvalidTag:
        raise RejectedError from None
    if zero or value >= choices:
        raise RejectedError
    return plaintext


def unpack(plaintext):
    """Return codec, fingerprint prefix and payload."""
    if plaintext[0] != 1:
        raise NewerVersionError
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
