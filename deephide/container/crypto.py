"""Key derivation, sealing and the keystream: the only door to `cryptography`.

::

    passphrase, key file, or model ── Argon2id(picture) ── HKDF(salt) ──┐
                                                                        ├─ root ── HKDF ── keys
    X25519 ── HKDF ── stanza ── file key ── HKDF ───────────────────────┘

The costs are fixed by the format version: a container cannot ask for more work than every other
one.  `docs/format.md` states all of it byte by byte.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from deephide.container.brightness import PICTURE_BYTES
from deephide.container.layout import COMMITMENT_BYTES, SALT_BYTES, TAG_BYTES
from deephide.errors import ExtractionError, PassphraseError

__all__ = [
    "ChannelKeys",
    "Keys",
    "StrongKeys",
    "Wrap",
    "derive_body_keys",
    "derive_channel_keys",
    "derive_file_keys",
    "derive_keys",
    "derive_strong_keys",
    "derive_wrap",
    "harden",
    "key_input",
    "keystream_bytes",
    "open_sealed",
    "seal",
    "x25519",
    "x25519_public",
]

FILE_KEY_BYTES = 16
FINGERPRINT_BYTES = 32

# Fixed by format version 1: 64 MiB, three passes, four lanes.
ARGON2_MEMORY_KIB = 64 * 1024
ARGON2_ITERATIONS = 3
ARGON2_LANES = 4

_CHUNK = 1 << 20  # bytes of keystream at a time; the result alone may be large

_FROM_PASSPHRASE = b"deephide/2 passphrase\x00"
_FROM_KEY_FILE = b"deephide/2 key file\x00"
_FROM_BOTH = b"deephide/2 key file and passphrase\x00"
_FROM_MODEL = b"deephide/2 model\x00"


@dataclass(frozen=True)
class Keys:
    """Keys of one container, from one secret and one salt or ephemeral key; never shown.

    `order` keys the order of the elements, `commitment` stands in the public zone and ties it to
    one root, `length_pad` masks the length field, `seal_key` and `seal_nonce` seal the body.  The
    nonce is used once because the salt is fresh every time.
    Keys that are not `usable` MUST be rejected, but only after the work that usable keys take.
    """

    order: bytes = field(repr=False)
    commitment: bytes = field(repr=False)
    length_pad: bytes = field(repr=False)
    seal_key: bytes = field(repr=False)
    seal_nonce: bytes = field(repr=False)
    usable: bool = True


@dataclass(frozen=True)
class ChannelKeys:
    """What a hardened secret gives in robust mode; never shown.

    `order` keys the order of elements, `header_pad` masks the header; each body has keys of its
    own, from `root` and the nonce that comes with it.
    """

    order: bytes = field(repr=False)
    header_pad: bytes = field(repr=False)
    root: bytes = field(repr=False)


@dataclass(frozen=True)
class StrongKeys(ChannelKeys):
    """What a hardened secret gives in strong mode; `dither` keys the shifts of the lattice."""

    dither: bytes = field(repr=False)


@dataclass(frozen=True)
class Wrap:
    """Keys shared with one recipient: order of the stanza, and pad over the file key."""

    order: bytes = field(repr=False)
    pad: bytes = field(repr=False)


def key_input(passphrase: str | None, fingerprint: bytes, key_file: bytes | None = None) -> bytes:
    """Return the bytes that Argon2id is given in the place of a password.

    Parameters
    ----------
    passphrase : any non-empty text, or None
    fingerprint : 32 bytes, the model's; it stands in where there is no other secret
    key_file : content of a key file, needed besides the passphrase or instead of it, or None

    Returns
    -------
    bytes; the four kinds start with different domain strings and never collide

    Raises
    ------
    PassphraseError : the passphrase is empty or cannot be written in UTF-8
    ValueError : the fingerprint is not 32 bytes long
    """
    if len(fingerprint) != FINGERPRINT_BYTES:
        raise ValueError(f"fingerprint: got {len(fingerprint)} bytes, expected 32")
    if passphrase is None:
        if key_file is None:
            return _FROM_MODEL + fingerprint
        return _FROM_KEY_FILE + hashlib.sha256(key_file).digest()
    if not passphrase:
        raise PassphraseError("the passphrase is empty", hint="use a passphrase of several words")
    try:
        text = unicodedata.normalize("NFC", passphrase).encode("utf-8")
    except UnicodeEncodeError:
        raise PassphraseError("the passphrase is not valid UTF-8 text") from None
    if key_file is None:
        return _FROM_PASSPHRASE + text
    return _FROM_BOTH + hashlib.sha256(key_file).digest() + text


def harden(key_input: bytes, picture: bytes) -> bytes:
    """Return the 32 bytes of a shared secret from which all else follows, in either mode.

    Slow and memory-hungry on purpose, and therefore done once for each picture.

    Parameters
    ----------
    key_input : what the function `key_input` returned
    picture : 16 bytes, what `brightness.salt_of` returned
    """
    if len(picture) != PICTURE_BYTES:
        raise ValueError(f"picture: got {len(picture)} bytes, expected {PICTURE_BYTES}")
    return Argon2id(
        salt=picture,
        length=32,
        iterations=ARGON2_ITERATIONS,
        lanes=ARGON2_LANES,
        memory_cost=ARGON2_MEMORY_KIB,
    ).derive(key_input)


def derive_keys(hardened: bytes, salt: bytes) -> Keys:
    """Derive every key of one container.

    Parameters
    ----------
    hardened : what `harden` returned
    salt : 16 bytes, fresh for every container

    Returns
    -------
    Keys
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"salt: got {len(salt)} bytes, expected {SALT_BYTES}")
    return _keys_of(_expand(hardened, b"deephide/2 salt" + salt, 32))


def derive_channel_keys(hardened: bytes) -> ChannelKeys:
    """Derive the keys of robust mode, of what `harden` returned."""
    return ChannelKeys(
        order=_expand(hardened, b"deephide/2 channel order", 32),
        header_pad=_expand(hardened, b"deephide/2 channel header", 4),
        root=_expand(hardened, b"deephide/2 channel root", 32),
    )


def derive_strong_keys(hardened: bytes) -> StrongKeys:
    """Derive the keys of strong mode, of what `harden` returned."""
    return StrongKeys(
        order=_expand(hardened, b"deephide/2 strong order", 32),
        header_pad=_expand(hardened, b"deephide/2 strong header", 4),
        root=_expand(hardened, b"deephide/2 strong root", 32),
        dither=_expand(hardened, b"deephide/2 strong dither", 32),
    )


def derive_body_keys(keys: ChannelKeys, nonce: bytes) -> Keys:
    """Derive the keys that seal one body of robust mode; `nonce` is fresh for every stego."""
    return _keys_of(hmac.digest(nonce, keys.root, "sha256"))


def _keys_of(root: bytes, usable: bool = True) -> Keys:
    return Keys(
        order=_expand(root, b"deephide/2 order", 32),
        commitment=_expand(root, b"deephide/2 commitment", COMMITMENT_BYTES),
        length_pad=_expand(root, b"deephide/2 length", 4),
        seal_key=_expand(root, b"deephide/2 seal key", 32),
        seal_nonce=_expand(root, b"deephide/2 seal nonce", 12),
        usable=usable,
    )


def x25519_public(private: bytes) -> bytes:
    """Return the X25519 public key (RFC 7748) of 32 private bytes."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def x25519(private: bytes, public: bytes) -> bytes | None:
    """Return the shared secret, 32 bytes, or None if it is zero: the public key is of low order."""
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(
            X25519PublicKey.from_public_bytes(public)
        )
    except ValueError:
        return None


def derive_wrap(shared: bytes, ephemeral: bytes, recipient: bytes) -> Wrap:
    """Derive what one recipient's stanza needs.

    Parameters
    ----------
    shared : 32 bytes, of `x25519`
    ephemeral : 32 bytes, the representative as it stands in the image
    recipient : 32 bytes, the recipient's public key

    Returns
    -------
    Wrap
    """
    root = hmac.digest(ephemeral + recipient, shared, "sha256")  # HKDF-Extract
    return Wrap(
        order=_expand(root, b"deephide/2 stanza order", 32),
        pad=_expand(root, b"deephide/2 stanza", FILE_KEY_BYTES),
    )


def derive_file_keys(file_key: bytes, ephemeral: bytes, *, usable: bool = True) -> Keys:
    """Derive every key of one container for recipients.

    Parameters
    ----------
    file_key : 16 random bytes, fresh for every container
    ephemeral : 32 bytes, the representative as it stands in the image
    usable : False if the receiver will have to reject whatever is found

    Returns
    -------
    Keys
    """
    return _keys_of(hmac.digest(ephemeral, file_key, "sha256"), usable)


def _expand(root: bytes, info: bytes, length: int) -> bytes:
    # The roots are uniform already: Argon2id's output, or that of HKDF's extracting half.
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


def keystream_bytes(key: bytes, length: int) -> bytearray:
    """Return the first `length` bytes of the ChaCha20 keystream (RFC 8439) of a 32-byte key.

    Block counter and nonce start at zero, so a key must serve one purpose only.
    """
    encryptor = Cipher(algorithms.ChaCha20(key, bytes(16)), mode=None).encryptor()
    stream = bytearray(length)
    view, zeros = memoryview(stream), bytes(min(length, _CHUNK))
    for start in range(0, length, _CHUNK):
        part = view[start : start + _CHUNK]
        encryptor.update_into(zeros[: len(part)], part)
    return stream
