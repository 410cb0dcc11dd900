import pytest

from deephide.container import crypto, layout
from deephide.errors import ExtractionError, PassphraseError

SALT = bytes(range(16))
PRINT = bytes(32)


def test_key_input_separates_passphrases_from_models():
    assert crypto.key_input(None, PRINT) == b"deephide/2 model\x00" + PRINT
    assert crypto.key_input("a", PRINT) == b"deephide/2 passphrase\x00a"


def test_key_input_does_not_depend_on_how_accents_are_typed():
    assert crypto.key_input("caf\u00e9", PRINT) == crypto.key_input("cafe\u0301", PRINT)


@pytest.mark.parametrize("passphrase", ["", "\ud800"])
def test_key_input_refuses(passphrase):
    with pytest.raises(PassphraseError):
        crypto.key_input(passphrase, PRINT)


def test_key_input_needs_a_whole_fingerprint():
    with pytest.raises(ValueError, match="fingerprint: got 31 bytes"):
        crypto.key_input(None, bytes(31))


def test_the_root_key_is_what_another_argon2_computes():
    argon2 = pytest.importorskip("argon2")
    root = argon2.low_level.hash_secret_raw(
        b"secret", SALT, 3, 65536, 4, 32, argon2.low_level.Type.ID, 19
    )
    expected = crypto._expand(root, b"deephide/2 channel order", 32)
    assert crypto.harden(b"secret", SALT) == root
    assert crypto.derive_channel_keys(root).order == expected


def test_keys_differ_from_each_other_and_with_the_salt(cheap_kdf):
    one, two = crypto.derive_keys(b"s", SALT), crypto.derive_keys(b"s", SALT[::-1])
    assert one == crypto.derive_keys(b"s", SALT)
    assert len({one.order, one.seal_key, two.order, two.seal_key}) == 4
    assert (len(one.length_pad), len(one.seal_nonce)) == (4, 12)
    assert one.order.hex() not in repr(one) and "order" not in repr(one)


def test_a_salt_of_another_length_is_refused():
    with pytest.raises(ValueError, match="picture: got 15 bytes"):
        crypto.harden(b"s", SALT[1:])
    with pytest.raises(ValueError, match="salt: got 15 bytes"):
        crypto.derive_keys(b"s", SALT[1:])


def test_sealed_bytes_open_only_unchanged(cheap_kdf):
    keys = crypto.derive_keys(b"s", SALT)
    sealed = crypto.seal(keys, b"face", b"shape")
    assert len(sealed) == 4 + layout.TAG_BYTES
    assert crypto.open_sealed(keys, sealed, b"shape") == b"face"
    with pytest.raises(ExtractionError):
        crypto.open_sealed(keys, sealed, b"other")
    with pytest.raises(ExtractionError):
        crypto.open_sealed(keys, sealed[:15], b"shape")
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(ExtractionError):
            crypto.open_sealed(keys, bytes(damaged), b"shape")


def test_keystream_is_chacha20_of_the_rfc():
    # The first block for an all-zero key and nonce: RFC 8439, appendix A.1, test vector 1.
    expected = (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    )
    assert crypto.keystream_bytes(bytes(32), 64).hex() == expected
    assert crypto.keystream_bytes(bytes(32), 0) == b""
