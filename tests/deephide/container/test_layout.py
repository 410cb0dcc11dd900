import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deephide.container import crypto, hiding, layout
from deephide.errors import ExtractionError, FormatVersionError

PREFIX = b"\x01\x02\x03\x04\x05\x06\x07\x08"
HEADER = layout.Header(layout.CODEC_LATENT, PREFIX)
SHAPE = layout.associated_data(64, 64, 1)
ZONES = layout.Zones(4096)


@given(st.integers(4096, 1 << 28))
def test_zones_fill_the_picture_exactly(n):
    for public_bytes in (layout.SALT_BYTES, layout.EPHEMERAL_BYTES):
        zones = layout.Zones(n, public_bytes)
        assert zones.public + zones.length + zones.body == n
        assert min(zones.public, zones.length, zones.body) > 0
        assert layout.MIN_BODY_BYTES < zones.max_body_bytes
        # The low rates: at most a quarter of a bit per element, and less as images grow.
        assert zones.public >= 32 * (public_bytes + 8) and zones.length >= 128
        assert 512 <= zones.stanza <= n - zones.public


def test_too_few_elements_are_refused():
    with pytest.raises(ValueError, match="4095 elements"):
        layout.Zones(4095)


def test_the_overhead_is_54_bytes():
    assert layout.OVERHEAD_BYTES == 54
    assert len(layout.pack(HEADER, b"")) == layout.HEADER_BYTES == 10


@given(st.binary(max_size=40), st.integers(0, 127), st.booleans())
def test_pack_and_unpack_agree(payload, codec, padded):
    header = layout.Header(codec, PREFIX, padded=padded)
    assert layout.unpack(layout.pack(header, payload)) == (header, payload)


def test_pack_needs_a_whole_prefix():
    with pytest.raises(ValueError, match="parameters: got 7 bytes"):
        layout.pack(layout.Header(1, PREFIX[1:]), b"")


def test_codecs_from_128_are_refused():
    with pytest.raises(ValueError, match="codec: got 128"):
        layout.pack(layout.Header(128, PREFIX), b"")


@given(st.integers(1, 1 << 40))
def test_size_classes_are_those_of_padme(length):
    # As the paper writes it, with logarithms.
    exponent = length.bit_length() - 1
    size = (exponent.bit_length() - 1) + 1 if exponent else 0
    mask = (1 << max(exponent - size, 0)) - 1
    padded = layout.padded_bytes(length)
    assert padded == (length + mask) & ~mask
    assert length <= padded <= 1.12 * length + 1
    assert layout.padded_bytes(padded) == padded


def test_padding_hides_the_length_within_a_class():
    header = layout.Header(1, PREFIX, padded=True)
    assert {len(layout.pack(header, bytes(n))) for n in range(288, 303)} == {10 + 304}


@pytest.mark.parametrize(
    "tail",
    [
        b"",  # no marker at all
        bytes(8),
        b"face\x02",  # another marker
        b"face" + b"\x01" + bytes(20),  # more zeros than the class asks for
        bytes(299) + b"\x01",  # fewer
    ],
)
def test_wrong_padding_is_rejected(tail):
    with pytest.raises(ExtractionError):
        layout.unpack(bytes((layout.VERSION, 0x81)) + PREFIX + tail)


def test_unpack_rejects_other_versions_and_short_plaintexts():
    for version, remedy in ((1, "an older"), (3, "a newer")):
        with pytest.raises(FormatVersionError, match=f"version {version}") as caught:
            layout.unpack(layout.pack(layout.Header(1, PREFIX, version=version), b""))
        assert caught.value.hint == f"install {remedy} deephide"
    with pytest.raises(ExtractionError):
        layout.unpack(bytes(9))


@given(st.integers(26, ZONES.max_body_bytes), st.binary(min_size=4, max_size=4))
def test_lengths_survive_masking(length, pad):
    masked = layout.mask_length(length, pad, ZONES)
    assert layout.unmask_length(masked, pad, ZONES) == (length, True)


@given(st.binary(min_size=4, max_size=4), st.binary(min_size=4, max_size=4))
def test_any_pad_gives_a_possible_length(masked, pad):
    length, _ = layout.unmask_length(masked, pad, ZONES)
    assert layout.MIN_BODY_BYTES <= length <= ZONES.max_body_bytes


@pytest.mark.parametrize("length", [25, ZONES.max_body_bytes + 1])
def test_impossible_lengths_are_refused(length):
    with pytest.raises(ValueError, match="body_bytes: got"):
        layout.mask_length(length, bytes(4), ZONES)


@given(st.binary(max_size=20))
def test_bits_and_bytes_agree(data):
    bits = layout.to_bits(data)
    assert layout.to_bytes(bits) == data
    assert all(int(bit) == data[i // 8] >> i % 8 & 1 for i, bit in enumerate(bits))


def test_a_broken_byte_is_refused():
    with pytest.raises(ExtractionError):
        layout.to_bytes(np.zeros(7, np.uint8))


def read_back(salt, length, body, key_input):
    """Unlock bytes as the receiver does, with silence behind the end of the body."""
    keys = crypto.derive_keys(key_input, salt)
    return hiding.unlock(keys, length, lambda n: body.ljust(n, b"\0")[:n], ZONES, SHAPE)


def lock(plaintext, key_input, salt=bytes(16)):
    return salt, *hiding.lock(plaintext, crypto.derive_keys(key_input, salt), ZONES, SHAPE)


@settings(max_examples=20, deadline=None)
@given(payload=st.binary(max_size=20), salt=st.binary(min_size=16, max_size=16))
def test_locked_bytes_unlock(payload, salt):
    key_input = crypto.key_input(None, bytes(32))
    plaintext = layout.pack(HEADER, payload)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "ARGON2_MEMORY_KIB", 32)
        locked = lock(plaintext, key_input, salt)
        assert read_back(*locked, key_input) == plaintext
    without_commitment = layout.OVERHEAD_BYTES - layout.COMMITMENT_BYTES
    assert len(b"".join(locked)) == without_commitment + len(payload)


def test_every_single_flipped_bit_is_one_and_the_same_error(cheap_kdf):
    key_input = crypto.key_input("correct horse", bytes(32))
    whole = b"".join(lock(layout.pack(HEADER, b"face"), key_input))
    messages = set()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        data = bytes(damaged)
        with pytest.raises(ExtractionError) as caught:
            read_back(data[:16], data[16:20], data[20:], key_input)
        messages.add((str(caught.value), caught.value.hint))
    with pytest.raises(ExtractionError) as caught:
        read_back(whole[:16], whole[16:20], whole[20:], crypto.key_input("x", bytes(32)))
    messages.add((str(caught.value), caught.value.hint))
    assert len(messages) == 1


def test_a_length_in_another_form_is_rejected(cheap_kdf):
    # The same length plus the number of possible lengths: right bytes, but not canonical.
    key_input = crypto.key_input(None, bytes(32))
    salt, _, body = lock(layout.pack(HEADER, b""), key_input)
    keys = crypto.derive_keys(key_input, salt)
    choices = ZONES.max_body_bytes - layout.MIN_BODY_BYTES + 1
    value = choices ^ int.from_bytes(keys.length_pad, "little")
    with pytest.raises(ExtractionError):
        read_back(salt, value.to_bytes(4, "little"), body, key_input)


def test_unusable_keys_open_nothing(cheap_kdf):
    keys = crypto.derive_keys(crypto.key_input(None, bytes(32)), bytes(16))
    length, body = hiding.lock(layout.pack(HEADER, b""), keys, ZONES, SHAPE)
    assert hiding.unlock(keys, length, lambda n: body, ZONES, SHAPE)
    keys = dataclasses.replace(keys, usable=False)
    with pytest.raises(ExtractionError):
        hiding.unlock(keys, length, lambda n: body, ZONES, SHAPE)
