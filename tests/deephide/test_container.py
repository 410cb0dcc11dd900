import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephide import container, crypto, hiding
from deephide.errors import ExtractionError, FormatVersionError

PREFIX = b"\x01\x02\x03\x04\x05\x06\x07\x08"
HEADER = container.Header(container.CODEC_LATENT, PREFIX)
SHAPE = container.associated_data(64, 64, 1)
ZONES = container.Zones(4096)


@given(st.integers(4096, 1 << 28))
def test_zones_fill_the_picture_exactly(n):
    zones = container.Zones(n)
    assert zones.salt + zones.length + zones.body == n
    assert min(zones.salt, zones.length, zones.body) > 0
    assert container.MIN_BODY_BYTES < zones.max_body_bytes
    # The low rates: at most an eighth of a bit per element, and less as pictures grow.
    assert zones.salt >= 1024 and zones.length >= 256


def test_too_few_elements_are_refused():
    with pytest.raises(ValueError, match="4095 elements"):
        container.Zones(4095)


def test_the_overhead_is_46_bytes():
    assert container.OVERHEAD_BYTES == 46
    assert len(container.pack(HEADER, b"")) == container.HEADER_BYTES == 10


@given(st.binary(max_size=40), st.integers(0, 255))
def test_pack_and_unpack_agree(payload, codec):
    header = container.Header(codec, PREFIX)
    assert container.unpack(container.pack(header, payload)) == (header, payload)


def test_pack_needs_a_whole_prefix():
    with pytest.raises(ValueError, match="fingerprint_prefix: got 7 bytes"):
        container.pack(container.Header(1, PREFIX[1:]), b"")


def test_unpack_rejects_other_versions_and_short_plaintexts():
    with pytest.raises(FormatVersionError, match="version 2"):
        container.unpack(container.pack(container.Header(1, PREFIX, version=2), b""))
    with pytest.raises(ExtractionError):
        container.unpack(bytes(9))


@given(st.integers(26, ZONES.max_body_bytes), st.binary(min_size=4, max_size=4))
def test_lengths_survive_masking(length, pad):
    masked = container.mask_length(length, pad, ZONES)
    assert container.unmask_length(masked, pad, ZONES) == (length, True)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
def test_any_pad_gives_a_possible_length(masked, pad):
    length, _ = container.unmask_length(masked, pad, ZONES)
    assert container.MIN_BODY_BYTES <= length <= ZONES.max_body_bytes


@pytest.mark.parametrize("length", [25, ZONES.max_body_bytes + 1])
def test_impossible_lengths_are_refused(length):
    with pytest.raises(ValueError, match="body_bytes: got"):
        container.mask_length(length, bytes(4), ZONES)


@given(st.binary(max_size=20))
def test_bits_and_bytes_agree(data):
    bits = container.to_bits(data)
    assert container.to_bytes(bits) == data
    assert all(int(bit) == data[i // 8] >> i % 8 & 1 for i, bit in enumerate(bits))


def test_a_broken_byte_is_refused():
    with pytest.raises(ExtractionError):
        container.to_bytes(np.zeros(7, np.uint8))


def read_back(salt, length, body, key_input):
    """Unlock bytes as the receiver does, with silence behind the end of the body."""
    keys = crypto.derive_keys(key_input, salt)
    return hiding.unlock(keys, length, lambda n: body.ljust(n, b"\0")[:n], ZONES, SHAPE)


@settings(max_examples=20, deadline=None)
@given(payload=st.binary(max_size=20), salt=st.binary(min_size=16, max_size=16))
def test_locked_bytes_unlock(payload, salt):
    key_input = crypto.key_input(None, bytes(32))
    plaintext = container.pack(HEADER, payload)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
        locked = hiding.lock(plaintext, key_input, salt, ZONES, SHAPE)
        assert read_back(locked.salt, locked.length, locked.body, key_input) == plaintext
    assert len(locked.salt + locked.length + locked.body) == 46 + len(payload)
    assert locked.order_key.hex() not in repr(locked)


def test_every_single_flipped_bit_is_one_and_the_same_error(cheap_kdf):
    key_input = crypto.key_input("correct horse", bytes(32))
    locked = hiding.lock(container.pack(HEADER, b"face"), key_input, bytes(16), ZONES, SHAPE)
    whole = locked.salt + locked.length + locked.body
    messages = set()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        data = bytes(damaged)
        with pytest.raises(ExtractionError) as caught:
            read_back(data[:16], data[16:20], data[20:], key_input)
        messages.add((str(caught.value), caught.value.hint))
    with pytest.raises(ExtractionError) as caught:
        read_back(locked.salt, locked.length, locked.body, crypto.key_input("x", bytes(32)))
    messages.add((str(caught.value), caught.value.hint))
    assert len(messages) == 1


def test_a_length_in_another_form_is_rejected(cheap_kdf):
    # The same length plus the number of possible lengths: right bytes, but not canonical.
    key_input = crypto.key_input(None, bytes(32))
    locked = hiding.lock(container.pack(HEADER, b""), key_input, bytes(16), ZONES, SHAPE)
    keys = crypto.derive_keys(key_input, bytes(16))
    choices = ZONES.max_body_bytes - container.MIN_BODY_BYTES + 1
    value = choices ^ int.from_bytes(keys.length_pad, "little")
    with pytest.raises(ExtractionError):
        read_back(locked.salt, value.to_bytes(4, "little"), locked.body, key_input)
