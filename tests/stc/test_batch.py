import numpy as np
import pytest

import stc


def batch(rng, count=5):
    sizes = rng.integers(500, 3000, count)
    covers = [rng.integers(0, 256, n).astype(np.uint8) for n in sizes]
    messages = [rng.integers(0, 2, n // 8) for n in sizes]
    costs = [rng.random(n) for n in sizes]
    return covers, messages, costs


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_batch_gives_what_single_calls_give(rng, threads):
    covers, messages, costs = batch(rng)
    seen = []
    stegos = stc.embed_batch(
        covers, messages, costs, costs, 8, threads=threads, progress=lambda *at: seen.append(at)
    )
    for cover, message, cost, stego in zip(covers, messages, costs, stegos, strict=True):
        assert np.array_equal(stego, stc.embed_ternary(cover, message, cost, cost, 8))
    assert seen[-1] == (5, 5)
    found = stc.extract_batch(stegos, [m.size for m in messages], 8, threads=threads)
    assert all(np.array_equal(a, b) for a, b in zip(found, messages, strict=True))


def test_the_cover_that_fails_is_named(rng):
    covers, messages, costs = batch(rng)
    costs[3] = np.full(covers[3].size, np.inf)
    with pytest.raises(stc.PayloadTooLargeError, match="cover 3: ") as caught:
        stc.embed_batch(covers, messages, costs, costs, 8)
    assert caught.value.needed_bits == messages[3].size


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_whatever_progress_raises_ends_the_batch(rng, kind):
    covers, messages, costs = batch(rng)

    def stop(done, count):
        raise kind

    with pytest.raises(kind):
        stc.embed_batch(covers, messages, costs, costs, 8, progress=stop)


def test_an_empty_batch_is_empty():
    assert stc.embed_batch([], [], [], []) == []
    assert stc.extract_batch([], []) == []


def test_bad_arguments_are_named(rng):
    covers, messages, costs = batch(rng, 2)
    with pytest.raises(ValueError, match="costs_m1: got 1 entries; allowed: 2"):
        stc.embed_batch(covers, messages, costs, costs[:1])
    with pytest.raises(ValueError, match="n_messages: got 1"):
        stc.extract_batch(covers, [1])
    with pytest.raises(ValueError, match="message_bits: got values") as caught:
        stc.embed_batch(covers, [messages[0], [7]], costs, costs)
    assert caught.value.__notes__ == ["in cover 1 of the batch"]
    with pytest.raises(ValueError, match="threads: got 0"):
        stc.embed_batch(covers, messages, costs, costs, threads=0)
