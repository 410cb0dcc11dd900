import numpy as np
import pytest
from files import files_in
from hypothesis import given, settings
from hypothesis import strategies as st

import stc
from stc import layers
from stc.search import Trellis

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def changes(cover, stego):
    """Return -1, 0 or 1 per element, in Python integers: no dtype can wrap."""
    delta = np.array([int(s) - int(c) for c, s in zip(cover, stego, strict=True)])
    assert set(delta.tolist()) <= {-1, 0, 1}
    return delta


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(1, 2500),
    alpha=st.floats(0.0, 1.2),
    split=st.sampled_from(["entropy", "even"]),
    dtype=st.sampled_from(DTYPES),
    edge=st.booleans(),
    wet_share=st.sampled_from([0.0, 0.2, 0.8]),
)
def test_round_trip_or_typed_error(seed, n, alpha, split, dtype, edge, wet_share):
    rng = np.random.default_rng(seed)
    limits = np.iinfo(dtype)
    middle = limits.min // 2 + limits.max // 2
    values = [limits.min, limits.min + 1, limits.max - 1, limits.max] if edge else []
    values += [middle + k for k in range(5)]
    cover = np.array(values, dtype=dtype)[rng.integers(0, len(values), n)]
    message = rng.integers(0, 2, int(alpha * n))
    p1, m1 = rng.random(n), rng.random(n)
    p1[rng.random(n) < wet_share] = np.inf
    m1[rng.random(n) < wet_share] = np.inf
    before = cover.copy()
    try:
        stego = stc.embed_ternary(cover, message, p1, m1, 7, split=split)
    except stc.PayloadTooLargeError as error:
        assert error.needed_bits == message.size > 0
        return
    assert (cover == before).all()
    assert stego.dtype == cover.dtype
    assert (stc.extract_ternary(stego, message.size, 7, split=split) == message).all()
    delta = changes(cover, stego)
    assert not np.isinf(p1[delta == 1]).any()
    assert not np.isinf(m1[delta == -1]).any()


@pytest.mark.parametrize("height", [6, 12])
def test_the_share_goes_where_the_entropy_is(rng, height):
    n, m = 20_000, 5_000
    message = rng.integers(0, 2, m)
    # At 255 only -1 is left, which changes the lowest bit alone: nothing fits in the upper layer.
    cover = np.full(n, 255, np.uint8)
    cover[::100] = 128
    cost = rng.random(n)
    stego = stc.embed_ternary(cover, message, cost, cost, height)
    assert (stc.extract_ternary(stego, m, height) == message).all()
    with pytest.raises(stc.PayloadTooLargeError, match="no solution"):
        stc.embed_ternary(cover, message, cost, cost, height, split="even")
    delta = changes(cover, stego)
    paid = cost[delta != 0].sum()
    p1 = np.where(cover == 255, np.inf, cost)
    assert paid < 1.4 * stc.bound_distortion_ternary(p1, cost, m)


def test_a_message_too_long_for_the_share_is_a_typed_error(rng):
    cover = rng.integers(1, 255, 700).astype(np.uint8)
    cost = np.full(700, np.inf)
    cost[-50:] = 1.0
    with pytest.raises(stc.PayloadTooLargeError) as caught:
        stc.embed_ternary(cover, rng.integers(0, 2, 650), cost, cost)
    assert caught.value.capacity_bits == int(50 * np.log2(3))


@pytest.mark.parametrize("threads", [2, 3])
@pytest.mark.parametrize(("alpha", "wet_share"), [(0.02, 0.0), (0.3, 0.5), (0.9, 0.0)])
def test_threads_do_not_change_the_result(rng, threads, alpha, wet_share):
    n = 30_000
    cover, message = rng.integers(0, 256, n), rng.integers(0, 2, int(alpha * n * (1 - wet_share)))
    cost = rng.lognormal(0, 1, n)
    cost[rng.random(n) < wet_share] = np.inf
    one = stc.embed_ternary(cover, message, cost, cost, 10)
    many = stc.embed_ternary(cover, message, cost, cost, 10, threads=threads)
    assert np.array_equal(one, many)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("layer", ["upper", "lower"])
def test_an_error_in_either_layer_reaches_the_caller(monkeypatch, rng, threads, layer):
    cover, message = rng.integers(0, 256, 3000), rng.integers(0, 2, 300)
    failing = []

    class Failing(Trellis):
        def __init__(self, *args):
            super().__init__(*args)
            failing.append(self)  # the upper layer is made first

        def advance(self, stop):
            if self is failing[("upper", "lower").index(layer)]:
                raise MemoryError("no room")
            return super().advance(stop)

    monkeypatch.setattr(layers, "Trellis", Failing)
    with pytest.raises(MemoryError, match="no room"):
        stc.embed_ternary(cover, message, np.ones(3000), np.ones(3000), threads=threads)


@pytest.mark.parametrize("n", [1, 2, 3, 400])
def test_more_than_free_choice_holds_is_refused_before_any_search(monkeypatch, n):
    monkeypatch.setattr(layers, "Trellis", None)
    for m in (int(1.6 * n) + 1, 2 * n, 2 * n + 1):
        with pytest.raises(stc.PayloadTooLargeError, match="free changes") as caught:
            stc.embed_ternary(np.full(n, 8), np.zeros(m, int), np.ones(n), np.ones(n))
        assert caught.value.capacity_bits == int(n * np.log2(3))
    assert stc.extract_ternary(np.full(n, 8), 2 * n).size == 2 * n


@pytest.mark.parametrize(
    ("n", "height", "wet_share", "alpha"),
    [(8000, 7, 0.7, 0.1), (8000, 7, 0.5, 0.3), (1500, 10, 0.0, 0.9)],
)
def test_covers_that_are_half_full_are_not_refused(n, height, wet_share, alpha):
    for seed in range(20):
        rng = np.random.default_rng(seed)
        cover, cost = rng.integers(1, 255, n), rng.random(n)
        cost[rng.random(n) < wet_share] = np.inf
        message = rng.integers(0, 2, int(alpha * n))
        stego = stc.embed_ternary(cover, message, cost, cost, height)
        assert (stc.extract_ternary(stego, message.size, height) == message).all()


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(600, 6000), threads=st.sampled_from([1, 2]))
def test_covers_near_their_capacity(seed, n, threads):
    # Here shares and orders of work are tried in turn before a message is rejected.
    rng = np.random.default_rng(seed)
    cover = rng.choice(np.array([0, 1, 128, 129, 254, 255], np.uint8), n)
    p1, m1 = rng.random(n), rng.random(n)
    wet = rng.random(n) < rng.choice([0.0, 0.5, 0.9])
    p1[wet] = m1[wet] = np.inf
    m = int(rng.uniform(0.4, 1.1) * (~wet).sum())
    message = rng.integers(0, 2, m)
    try:
        stego = stc.embed_ternary(cover, message, p1, m1, 7, threads=threads)
    except stc.PayloadTooLargeError:
        return
    delta = changes(cover, stego)
    assert not np.isinf(p1[delta == 1]).any()
    assert not np.isinf(m1[delta == -1]).any()
    assert (stc.extract_ternary(stego, m, 7) == message).all()


def test_one_array_may_be_both_costs_and_be_overwritten(rng):
    cover, message = rng.integers(0, 256, 2000).astype(np.uint8), rng.integers(0, 2, 700)
    cost = rng.random(2000)
    expected = stc.embed_ternary(cover, message, cost, cost)
    assert np.array_equal(
        stc.embed_ternary(cover, message, cost, cost, overwrite_costs=True), expected
    )


def test_the_receiver_splits_by_length_alone(rng):
    cover = rng.integers(0, 256, 3000).astype(np.uint8)
    message = rng.integers(0, 2, 301)
    stego = stc.embed_ternary(cover, message, np.ones(3000), np.ones(3000))
    assert (stc.extract(stego & 1, 151) == message[:151]).all()
    assert (stc.extract((stego >> 1) & 1, 150) == message[151:]).all()


def test_distortion_near_the_bound_and_the_peers(vectors):
    for path in files_in(vectors, "stc_pm1_*.npz"):
        case = np.load(path)
        order = np.random.default_rng(5).permutation(case["cover"].size)
        cover = case["cover"].ravel()[order]
        p1, m1 = (case[k].ravel()[order].astype(np.float64) for k in ("rho_p1", "rho_m1"))
        p1[p1 > 1e9], m1[m1 > 1e9] = np.inf, np.inf
        message, height = case["msg"], int(case["h"])
        assert stc.bound_distortion_ternary(p1, m1, message.size) == pytest.approx(
            float(case["bound"]), rel=1e-9
        )
        stego = stc.embed_ternary(cover, message, p1, m1, height)
        delta = changes(cover, stego)
        paid = p1[delta == 1].sum() + m1[delta == -1].sum()
        assert (stc.extract_ternary(stego, message.size, height) == message).all()
        assert paid < 1.03 * case["distortion_half"]


def test_asymmetric_costs_choose_the_sign(rng):
    cover = rng.integers(10, 200, 4000).astype(np.int16)
    message = rng.integers(0, 2, 200)
    stego = stc.embed_ternary(cover, message, np.full(4000, 1.0), np.full(4000, 50.0))
    delta = changes(cover, stego)
    assert (delta == 1).sum() > 20 * (delta == -1).sum()


def test_empty_message_returns_a_copy():
    cover = np.arange(5, dtype=np.int8)
    stego = stc.embed_ternary(cover, [], np.ones(5), np.ones(5))
    assert np.array_equal(stego, cover)
    assert stego is not cover
    assert stc.extract_ternary(stego, 0).size == 0
    assert stc.embed_ternary([], [], [], []).size == 0
    with pytest.raises(stc.PayloadTooLargeError):
        stc.embed_ternary(np.zeros(0, int), [1], [], [])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"cover": np.zeros((2, 2), int)}, "cover: got shape .2, 2."),
        ({"cover": np.zeros(4)}, "cover: got shape .4,. and type float64"),
        ({"message_bits": [2]}, "message_bits: got values"),
        ({"cost_p1": [1, 1, 1]}, "cost_p1: got shape"),
        ({"cost_m1": [1, 1, -1, 1]}, "cost_m1: got -1.0 at element 2"),
        ({"height": 3}, "height: got 3"),
        ({"threads": 0}, "threads: got 0"),
        ({"split": "odd"}, "split: got 'odd'"),
        ({"message_bits": [0] * 9}, "message_bits: got 9 bits"),
    ],
)
def test_bad_arguments_are_named(change, words):
    given = {
        "cover": np.arange(4),
        "message_bits": [1],
        "cost_p1": [1.0] * 4,
        "cost_m1": [1.0] * 4,
    } | change
    with pytest.raises(ValueError, match=words):
        stc.embed_ternary(**given)


@pytest.mark.parametrize("n_message", [-1, 9, 2.5])
def test_extract_refuses_impossible_lengths(n_message):
    with pytest.raises(ValueError, match="n_message: got"):
        stc.extract_ternary(np.arange(4), n_message)


def test_costs_are_overwritten_only_on_request():
    rng = np.random.default_rng(4)
    cover = rng.integers(0, 256, 6000).astype(np.uint8)
    message = rng.integers(0, 2, 700).astype(np.uint8)
    up, down = rng.random(6000), rng.random(6000)
    up[::7] = down[::5] = np.inf
    kept = up.copy(), down.copy()
    stego = stc.embed_ternary(cover, message, up, down)
    assert np.array_equal(up, kept[0]) and np.array_equal(down, kept[1])
    again = stc.embed_ternary(cover, message, up, down, overwrite_costs=True)
    assert np.array_equal(stego, again)
    assert not (np.array_equal(up, kept[0]) and np.array_equal(down, kept[1]))
