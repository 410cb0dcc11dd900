import hashlib
import random

import pytest

from deephide.container import crypto, elligator
from deephide.container.elligator import A, P

ORDER = 2**252 + 27742317777372353535851937790883648493

# RFC 9380, appendix J.4.2 (curve25519_XMD:SHA-512_ELL2_NU_): message, u, x of Q, x of P = 8 Q.
RFC_9380 = [
    (
        b"",
        "608d892b641f0328523802a6603427c26e55e6f27e71a91a478148d45b5093cd",
        "51125222da5e763d97f3c10fcc92ea6860b9ccbbd2eb1285728f566721c1e65b",
        "1bb913f0c9daefa0b3375378ffa534bda5526c97391952a7789eb976edfe4d08",
    ),
    (
        b"abc",
        "46f5b22494bfeaa7f232cc8d054be68561af50230234d7d1d63d1d9abeca8da5",
        "7d56d1e08cb0ccb92baf069c18c49bb5a0dcd927eff8dcf75ca921ef7f3e6eeb",
        "7c22950b7d900fa866334262fcaea47a441a578df43b894b4625c9b450f9a026",
    ),
    (
        b"abcdef0123456789",
        "235fe40c443766ce7e18111c33862d66c3b33267efa50d50f9e8e5d252a40aaa",
        "3fbe66b9c9883d79e8407150e7c2a1c8680bee496c62fabe4619a72b3cabe90f",
        "31ad08a8b0deeb2a4d8b0206ca25f567ab4e042746f792f4b7973f3ae2096c52",
    ),
    (
        b"q128_" + b"q" * 128,
        "001e92a544463bda9bd04ddbe3d6eed248f82de32f522669efc5ddce95f46f5b",
        "227e0bb89de700385d19ec40e857db6e6a3e634b1c32962f370d26f84ff19683",
        "027877759d155b1997d0d84683a313eb78bdb493271d935b622900459d52ceaa",
    ),
    (
        b"a512_" + b"a" * 512,
        "1a68a1af9f663592291af987203393f707305c7bac9c8d63d6a729bdc553dc19",
        "3bcd651ee54d5f7b6013898aab251ee8ecc0688166fce6e9548d38472f6bd196",
        "5fd892c0958d1a75f54c3182a18d286efab784e774d1e017ba2fb252998b5dc1",
    ),
]


def add(one, other):
    """Add points of the Edwards curve, projectively: other formulas than the module's."""
    d = -121665 * pow(121666, -1, P) % P
    (x1, y1, z1), (x2, y2, z2) = one, other
    a, c, e = z1 * z2 % P, x1 * x2 % P, y1 * y2 % P
    t = d * c * e % P
    f, g = (a * a - t) % P, (a * a + t) % P
    return (a * f * ((x1 + y1) * (x2 + y2) - c - e) % P, a * g * (e + c) % P, f * g % P)


def times(scalar, point):
    total = (0, 1, 1)
    for bit in f"{scalar:b}":
        total = add(total, total)
        if bit == "1":
            total = add(total, point)
    return total


def is_neutral(point):
    return point[0] == 0 and point[1] == point[2]


def root(x):
    found = pow(x, (P + 3) // 8, P)
    found = found if found * found % P == x % P else found * pow(2, (P - 1) // 4, P) % P
    return found if found * found % P == x % P else None


def to_edwards(u):
    """Either of the two points with this u-coordinate (RFC 7748, Sec. 4.1), None on the twist."""
    v = root(u * u * u + A * u * u + u)
    if v is None:
        return None
    return root(-(A + 2)) * u * pow(v, -1, P) % P, (u - 1) * pow(u + 1, -1, P) % P, 1


def to_u(point):
    return (point[2] + point[1]) * pow(point[2] - point[1], -1, P) % P


def coset(u):
    """The order of the low-order part: 1, 2, 4 or 8."""
    part, order = times(ORDER, to_edwards(u)), 1
    while not is_neutral(part):
        part, order = add(part, part), 2 * order
    return order


def as_int(data):
    return int.from_bytes(data, "little")


def as_bytes(number):
    return number.to_bytes(32, "little")


def hash_to_field(message):
    """RFC 9380, Sec. 5, with SHA-512."""
    dst = b"QUUX-V01-CS02-with-curve25519_XMD:SHA-512_ELL2_NU_"
    dst += bytes([len(dst)])
    b0 = hashlib.sha512(bytes(128) + message + (48).to_bytes(2, "big") + b"\0" + dst).digest()
    return int.from_bytes(hashlib.sha512(b0 + b"\x01" + dst).digest()[:48], "big") % P


@pytest.mark.parametrize("vector", RFC_9380, ids=lambda vector: vector[0][:8].decode() or "empty")
def test_the_map_is_that_of_rfc_9380(vector):
    message, u, x, x8 = vector
    r = int(u, 16)
    assert hash_to_field(message) == r
    # The map knows r up to its sign, of which representatives have the smaller one.
    found = elligator.from_representative(as_bytes(min(r, P - r)))
    assert as_int(found) == int(x, 16)
    assert to_u(times(8, to_edwards(int(x, 16)))) == int(x8, 16)


@pytest.mark.slow
def test_round_trip_on_thousands():
    rng = random.Random(1)
    hits = 0
    for _ in range(2000):
        u = elligator.add_low_order(crypto.x25519_public(rng.randbytes(32)), rng.randrange(8))
        found = [elligator.to_representative(u, tweak) for tweak in (0, 65, 128, 193)]
        assert len({each is None for each in found}) == 1
        if found[0] is not None:
            hits += 1
            assert {elligator.from_representative(each) for each in found} == {u}
            assert len(set(found)) == 4 and len({as_int(each) % 2**254 for each in found}) == 2
    # A binomial distribution: five standard deviations are 112.
    assert abs(hits - 1000) < 112


def test_round_trip():
    rng = random.Random(2)
    for k in range(64):
        u = elligator.add_low_order(crypto.x25519_public(rng.randbytes(32)), k % 8)
        data = elligator.to_representative(u, rng.randrange(256))
        assert data is None or elligator.from_representative(data) == u


def test_every_string_is_sent_to_the_curve_and_back():
    rng = random.Random(3)
    for _ in range(200):
        data = rng.randbytes(32)
        u = elligator.from_representative(data)
        assert to_edwards(as_int(u)) is not None
        tops = as_int(data) >> 254 << 6
        # One of the two tweaks leads back to the very string.
        assert data in {elligator.to_representative(u, tops | bit) for bit in (0, 1)}


def test_points_without_a_representative():
    assert elligator.to_representative(bytes(32), 0) is None
    assert elligator.to_representative(as_bytes(P - A), 0) is None


def test_the_low_order_point_has_order_8():
    points = elligator._low_order_points()
    assert points[0] is None and points[4] == (0, 0)
    assert elligator._add(points[7], points[1]) is None
    assert len(set(points)) == 8
    for u, v in points[1:]:
        assert v * v % P == elligator._curve(u)


def test_low_order_summands_change_the_coset_but_no_shared_secret():
    rng = random.Random(4)
    private, other = rng.randbytes(32), rng.randbytes(32)
    public = crypto.x25519_public(private)
    expected = crypto.x25519(private, crypto.x25519_public(other))
    moved = [elligator.add_low_order(public, k) for k in range(8)]
    assert moved[0] == public and len(set(moved)) == 8
    assert {crypto.x25519(other, each) for each in moved} == {expected}
    assert [coset(as_int(each)) for each in moved] == [1, 8, 4, 8, 2, 8, 4, 8]


def chi_square(counts, shares):
    total = sum(counts)
    return sum((n - total * s) ** 2 / (total * s) for n, s in zip(counts, shares, strict=True))


@pytest.mark.slow
def test_ephemeral_keys_lie_in_all_cosets_as_random_strings_do():
    from deephide.container.keys import _draw_ephemeral

    rng = random.Random(5)
    for draw in (lambda: _draw_ephemeral(rng.randbytes)[1], lambda: rng.randbytes(32)):
        orders = [coset(as_int(elligator.from_representative(draw()))) for _ in range(400)]
        counts = [orders.count(order) for order in (1, 2, 4, 8)]
        # Three degrees of freedom; 21.1 is exceeded once in 10,000 times.
        assert chi_square(counts, (1 / 8, 1 / 8, 1 / 4, 1 / 2)) < 21.1
    # Keys without the summand would all be in the first.
    assert coset(as_int(crypto.x25519_public(rng.randbytes(32)))) == 1


def test_bytes_of_representatives_are_uniform():
    from deephide.container.keys import _draw_ephemeral

    rng = random.Random(6)
    drawn = [_draw_ephemeral(rng.randbytes)[1] for _ in range(1500)]
    for bit in range(256):
        ones = sum(data[bit // 8] >> bit % 8 & 1 for data in drawn)
        assert abs(ones - 750) < 5.5 * 19.4, bit  # five and a half standard deviations
    counts = [0] * 256
    for data in drawn:
        for byte in data:
            counts[byte] += 1
    # 255 degrees of freedom: 347 is four standard deviations above the mean.
    assert chi_square(counts, [1 / 256] * 256) < 347
