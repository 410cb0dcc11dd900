"""Key derivation, sealing and the keystream; the only importer of `cryptography`.

One Argon2id call turns passphrase and salt into a root key; HKDF-SHA256 turns the root key
into one key per purpose.  The costs are fixed by the format version: a container cannot ask
for more work than every other one.  `docs/format.md` states all of it byte by byte.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from deephide.errors import ExtractionError, PassphraseError

__all__ = ["Keys", "derive_keys", "key_input", "keystream_bytes", "open_sealed", "seal"]

SALT_BYTES = 16
TAG_BYTES = 16
FINGERPRINT_BYTES = 32

# Fixed by format version 1: 64 MiB, three passes, four lanes.
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_ITERATIONS = 3
ARGON2_LANES = 4

_FROM_PASSPHRASE = b"deephide/1 passphrase\x00"
_FROM_MODEL = b"deephide/1 model\x00"


@dataclass(frozen=True)
class Keys:
    """What one passphrase and one salt give; never shown.

    `order` keys the order of the elements, `length_pad` masks the length field, `seal_key` and
    `seal_nonce` seal the body.  The nonce is used once because the salt is fresh every time.
    """

    order: bytes = field(repr=False)
    length_pad: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)
    seal_nonce: bytes = field(repr=False)


def key_input(passphrase: str | None, fingerprint: bytes) -> bytes:
    """Return the bytes that Argon2id is given in the place of a password.

    Parameters
    ----------
    passphrase : any non-empty text, or None to derive the key from the model alone
    fingerprint : 32 bytes, the model's

    Returns
    -------
    bytes; the two kinds start with different domain strings and never collide

    Raises
    ------
    PassphraseError : the passphrase is empty or cannot be written in UTF-8
    ValueError : the fingerprint is not 32 bytes long
    """
    if len(fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"fingerprint: got {len(fingerprint)} bytes, expected 32")
    if passphrase is None:
        return _FROM_MODEL + fingerprint
    if not passphrase:
        raise PassphraseError("the passphrase is empty", hint="use a passphrase of several words")
    try:
        return _FROM_PASSPHRASE + unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise PassphraseError("the passphrase is not valid UTF-8 text") from None


def derive_keys(key_input: bytes, salt: bytes) -> Keys:
    """Derive every key of one container; slow and memory-hungry on purpose.

    Parameters
    ----------
    key_input : what the function `key_input` returned
    salt : 16 bytes

    Returns
    -------
    Keys
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt: got {len(salt)} bytes, expected {SALT_BYTES}")
    root = Argon2id(
        salt=salt,
        length=32,
        iterations=ARGON2_ITERATIONS,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY_KIB,
    ).derive(key_input)
    return Keys(
        order=_expand(root, b"deephide/1 order", 32),
        length_pad=_expand(root, b"deephide/1 length", 4),
        seal_key=_expand(root, b"deephide/1 seal key", 32),
        seal_nonce=_expand(root, b"deephide/1 seal nonce", 12),
    )


def _expand(root: bytes, info: bytes, length: int) -> bytes:
    # Argon2id's output is already uniform, so only the expand half of HKDF is needed.
    return HKDFExpand(algorithm=SHA256(), length=length, info=info).derive(root)


def seal(keys: Keys, plaintext: bytes, associated: bytes) -> bytes:
    """Encrypt and authenticate; the result is 16 bytes longer than the plaintext.

    NEVER call it twice under the same keys with different plaintexts: draw a new salt.
    """
    return ChaCha20Poly1305(keys.seal_key).encrypt(keys.seal_nonce, plaintext, associated)


def open_sealed(keys: Keys, sealed: bytes, associated: bytes) -> bytes:
    """Return the plaintext of `seal`.

    Raises
    ------
    ExtractionError : the bytes, the keys or the associated data are not those that were sealed;
        which of them cannot be told
    """
    if len(sealed) < TAG_BYTES:
        raise ExtractionError
    try:
        return ChaCha20Poly1305(keys.seal_key).decrypt(keys.seal_nonce, sealed, associated)
    except InvalidTag:
        raise ExtractionError from None


def keystream_bytes(key: bytes, length: int) -> bytes:
    """Return the first `length` bytes of the ChaCha20 keystream (RFC 8439) of a 32-byte key.

    Block counter and nonce start at zero, so a key must serve one purpose only.
    """
    encryptor = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    return encryptor.update(bytes(length))
