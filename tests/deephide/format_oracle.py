"""A second receiver, slow and written from docs/format.md alone (even its table of columns)."""

import hashlib
import hmac
import itertools
import unicodedata

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


def receive(samples, shape, passphrase, fingerprint, text):
    """Return the plaintext; `samples` is the list of elements, `shape` is (W, H, C)."""
    table, n = read_appendix(text), len(samples)
    size_salt = min(max(n // 16, 1024), 1 << 18)
    size_length = min(max(n // 64, 256), 1 << 16)
    public_key = hashlib.sha256(b"deephide/1 public order\0" + n.to_bytes(8, "little")).digest()
    salt_places = order(public_key, n)[:size_salt]
    salt = message([samples[i] for i in salt_places], 16, table)
    if passphrase is None:
        key_input = b"deephide/1 model\0" + fingerprint
    else:
        key_input = b"deephide/1 passphrase\0" + unicodedata.normalize("NFC", passphrase).encode()
    root = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(
        key_input
    )
    taken = set(salt_places)
    rest = [i for i in range(n) if i not in taken]
    places = [rest[j] for j in order(expand(root, b"deephide/1 order", 32), len(rest))]
    masked = message([samples[i] for i in places[:size_length]], 4, table)
    pad = expand(root, b"deephide/1 length", 4)
    value = int.from_bytes(masked, "little") ^ int.from_bytes(pad, "little")
    longest = (n - size_salt - size_length) // 16
    assert value <= longest - 26
    body = message([samples[i] for i in places[size_length:]], 26 + value, table)
    associated = b"deephide/1 picture\0" + b"".join(x.to_bytes(4, "little") for x in shape)
    key = expand(root, b"deephide/1 seal key", 32)
    nonce = expand(root, b"deephide/1 seal nonce", 12)
    return ChaCha20Poly1305(key).decrypt(nonce, body, associated)
