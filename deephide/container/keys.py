"""Keys that open a container: a shared secret, or the identity of a recipient.

::

    SharedKey    passphrase, key file, both, or the model      salt (16 bytes, public zone)
    PictureKey   the same, hardened for one picture
    Recipients   the sender's side, X25519 public keys         ephemeral key (32 bytes, public
    Identity     the receiver's side, one X25519 private key     zone), 16 bytes per recipient

All bytes that they put into an image are uniformly random to everybody else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Protocol, TypeAlias
from weakref import WeakValueDictionary

from deephide.container import crypto, elligator, key_files
from deephide.container.crypto import ChannelKeys, Keys, StrongKeys, Wrap
from deephide.container.key_files import KeySource
from deephide.container.layout import EPHEMERAL_BYTES, SALT_BYTES
from deephide.errors import ExtractionError, PassphraseError

__all__ = [
    "MAX_RECIPIENTS",
    "Access",
    "Identity",
    "Opener",
    "Opening",
    "PictureKey",
    "Recipients",
    "Sealer",
    "SharedKey",
    "Stanza",
    "choose_opener",
]

MAX_RECIPIENTS = 16

Random: TypeAlias = Callable[[int], bytes]
ReadStanza: TypeAlias = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Stanza:
    """The file key as one recipient gets it, and the key of the order it goes in."""

    order_key: bytes = field(repr=False)
    data: bytes


@dataclass(frozen=True)
class Opening:
    """Beginning of a container, drawn afresh for each attempt, and the keys that follow from it."""

    public: bytes
    keys: Keys = field(repr=False)
    stanzas: tuple[Stanza, ...] = ()


class Opener(Protocol):
    """A way from the public zone to the keys.

    `public_bytes` is the size of the message in the public zone; `stanza_count` is the number of
    stanzas that this side knows of.
    """

    public_bytes: int

    @property
    def stanza_count(self) -> int:
        """Return the number of stanzas that this side knows of."""

    def open(self, public: bytes, read_stanza: ReadStanza) -> Keys:
        """Return the keys, right or wrong; `read_stanza` takes the key of a stanza's order."""


class Sealer(Opener, Protocol):
    """An opener that can also begin a container; it opens what it began without new derivation."""

    def begin(self, random: Random) -> Opening:
        """Return a fresh opening; `random` gives so many random bytes."""


class SharedKey:
    """A secret that sender and receiver share; Argon2id hardens it for one picture at a time.

    The last picture is kept: a sender who verifies reads the same one again, and needs the same
    keys a second time.

    Parameters
    ----------
    key_input : what `crypto.key_input` returned
    """

    def __init__(self, key_input: bytes) -> None:
        self._key_input = key_input
        self._last: PictureKey | None = None
        self._used: WeakValueDictionary[bytes, PictureKey] = WeakValueDictionary()

    def at(self, picture: bytes) -> PictureKey:
        """Return the key of a picture by its 16 bytes.

        For the same one, the same object, as long as somebody has it, whichever came in between.
        """
        found = self._used.get(picture)
        if found is None:
            found = self._used[picture] = PictureKey(self._key_input, picture)
        self._last = found
        return found


class PictureKey:
    """A shared secret at one picture: one Argon2id computation, done when it is first needed.

    Both modes begin with it, so that nothing tells how many things an image was searched for.

    Parameters
    ----------
    key_input : what `crypto.key_input` returned
    picture : 16 bytes, what `brightness.salt_of` returned
    """

    public_bytes = SALT_BYTES
    stanza_count = 0

    def __init__(self, key_input: bytes, picture: bytes) -> None:
        self.picture = picture
        self._key_input = key_input
        self._lock = Lock()
        self._hardened: bytes | None = None

    def begin(self, random: Random) -> Opening:
        """Draw a salt and derive the keys."""
        salt = random(SALT_BYTES)
        return Opening(salt, crypto.derive_keys(self._harden(), salt))

    def open(self, public: bytes, read_stanza: ReadStanza) -> Keys:
        """Derive the keys for the salt that was found."""
        del read_stanza
        return crypto.derive_keys(self._harden(), public)

    def channel_keys(self) -> ChannelKeys:
        """Derive the keys of robust mode."""
        return crypto.derive_channel_keys(self._harden())

    def strong_keys(self) -> StrongKeys:
        """Derive the keys of strong mode."""
        return crypto.derive_strong_keys(self._harden())

    def _harden(self) -> bytes:
        with self._lock:
            if self._hardened is None:
                self._hardened = crypto.harden(self._key_input, self.picture)
            return self._hardened


class Recipients:
    """Public keys of those who are to read; the sender cannot open it afterwards.

    Parameters
    ----------
    public_keys : 1 to 16 different X25519 public keys of 32 bytes, none of low order
    """

    public_bytes = EPHEMERAL_BYTES

    def __init__(self, public_keys: Sequence[bytes]) -> None:
        self._public_keys = tuple(dict.fromkeys(public_keys))
        if not 1 <= len(self._public_keys) <= MAX_RECIPIENTS:
            raise PassphraseError(
                f"there are {len(self._public_keys)} recipients, allowed: 1 to {MAX_RECIPIENTS}"
            )
        self._last: tuple[bytes, bytes, tuple[Wrap, ...]] | None = None

    @property
    def stanza_count(self) -> int:
        """One for each recipient."""
        return len(self._public_keys)

    def at(self, picture: bytes) -> Recipients:
        """Return the key itself: it is the same at every picture."""
        del picture
        return self

    def begin(self, random: Random) -> Opening:
        """Draw an ephemeral key and a file key, and wrap the latter for each recipient."""
        private, representative = _draw_ephemeral(random)
        file_key = random(crypto.FILE_KEY_BYTES)
        wraps = tuple(
            crypto.derive_wrap(_agree(private, public), representative, public)
            for public in self._public_keys
        )
        self._last = representative, file_key, wraps
        keys = crypto.derive_file_keys(file_key, representative)
        stanzas = tuple(Stanza(wrap.order, _xor(file_key, wrap.pad)) for wrap in wraps)
        return Opening(representative, keys, stanzas)

    def open(self, public: bytes, read_stanza: ReadStanza) -> Keys:
        """Open what was begun last, as all of the recipients would, to verify it."""
        if self._last is None or self._last[0] != public:
            raise ExtractionError
        _, file_key, wraps = self._last
        for wrap in wraps:
            if _xor(read_stanza(wrap.order), wrap.pad) != file_key:
                raise ExtractionError
        return crypto.derive_file_keys(file_key, public)


class Identity:
    """The private key of one recipient.

    Parameters
    ----------
    private : 32 bytes
    """

    public_bytes = EPHEMERAL_BYTES
    stanza_count = 1

    def __init__(self, private: bytes) -> None:
        self._private = private
        self._public = crypto.x25519_public(private)

    def at(self, picture: bytes) -> Identity:
        """Return the key itself: it is the same at every picture."""
        del picture
        return self

    def open(self, public: bytes, read_stanza: ReadStanza) -> Keys:
        """Derive the keys for the ephemeral key that was found.

        A shared secret of zero, which anyone can compute, is rejected only at the end.
        """
        shared = crypto.x25519(self._private, elligator.from_representative(public))
        usable = shared is not None
        wrap = crypto.derive_wrap(shared or bytes(32), public, self._public)
        file_key = _xor(read_stanza(wrap.order), wrap.pad)
        return replace(crypto.derive_file_keys(file_key, public), usable=usable)


def _draw_ephemeral(random: Random) -> tuple[bytes, bytes]:
    """Return a private key and 32 uniform bytes that stand for its public key."""
    while True:
        private = random(32)
        low, tweak = random(2)
        point = elligator.add_low_order(crypto.x25519_public(private), low & 7)
        representative = elligator.to_representative(point, tweak)
        if representative is not None:
            return private, representative


def _agree(private: bytes, public: bytes) -> bytes:
    shared = crypto.x25519(private, public)
    if shared is None:
        raise PassphraseError("a recipient's public key is not usable: it is of low order")
    return shared


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True)
class Access:
    """Choice of a sender who is to open a container.

    Parameters
    ----------
    passphrase : any non-empty text, or None
    key_file : path or content of a key file, or None
    recipients : public keys as text
    pad : fill the payload up to a size class
    random : source of randomness; replaced in tests only
    """

    passphrase: str | None = field(repr=False)
    key_file: KeySource = field(repr=False)
    recipients: Sequence[str]
    pad: bool
    random: Random = os.urandom

    @property
    def has_secret(self) -> bool:
        """Whether there is any key, so that the model need not stand in for one."""
        return bool(self.recipients) or self.passphrase is not None or self.key_file is not None

    def sealer(self, fingerprint: bytes) -> SharedKey | Recipients:
        """Return the key: recipients, or the secrets there are, or else the model of 32 bytes.

        Raises
        ------
        PassphraseError : recipients together with a shared secret; a key that cannot be used
        """
        if not self.recipients:
            return _shared(self.passphrase, self.key_file, fingerprint)
        _reject_both("recipients", self.passphrase, self.key_file)
        return Recipients([key_files.parse_public_key(text) for text in self.recipients])


def choose_opener(
    passphrase: str | None, key_file: KeySource, identity: KeySource, fingerprint: bytes
) -> SharedKey | Identity:
    """Return the receiver's key: an identity, or else whatever secrets there are.

    Parameters
    ----------
    passphrase, key_file : as in `Access`
    identity : path of an identity file, its content, or None
    fingerprint : 32 bytes, the model's; the key if there is no other

    Raises
    ------
    PassphraseError : an identity together with a shared secret; a key that cannot be used
    """
    if identity is None:
        return _shared(passphrase, key_file, fingerprint)
    _reject_both("an identity", passphrase, key_file)
    return Identity(key_files.load_identity(identity))


def _shared(passphrase: str | None, key_file: KeySource, fingerprint: bytes) -> SharedKey:
    content = key_files.load_key_file(key_file)
    return SharedKey(crypto.key_input(passphrase, fingerprint, content))


def _reject_both(what: str, passphrase: str | None, key_file: KeySource) -> None:
    if passphrase is not None or key_file is not None:
        other = "a passphrase" if passphrase is not None else "a key file"
        raise PassphraseError(
            f"{what} and {other} cannot be used together", hint="keep one of them"
        )
