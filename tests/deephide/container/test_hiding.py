import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import stc
from deephide.container import crypto, hiding, keys, layout
from deephide.errors import CapacityError, ExtractionError

KEY = keys.SharedKey(b"key input").at(bytes(16))
SHAPE = layout.associated_data(64, 64, 1)
N = 4096


def elements(n=N, seed=0):
    return np.random.default_rng(seed).integers(0, 256, n).astype(np.uint8)


def costs(n=N, wet=0.0, seed=1):
    rng = np.random.default_rng(seed)
    cost = rng.random(n) + 0.05
    cost[rng.random(n) < wet] = np.inf
    return cost


def hide(payload=b"payload", n=N, wet=0.0, **options):
    cover, cost = elements(n), costs(n, wet)
    p1, m1 = stc.costs.wet(cover, cost)
    plaintext = layout.pack(layout.Header(1, bytes(8)), payload)
    return cover, hiding.hide(cover, p1, m1, KEY, plaintext, SHAPE, **options), plaintext


@pytest.mark.usefixtures("cheap_kdf")
class TestRoundTrip:
    @settings(
        max_examples=15,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(st.binary(max_size=120), st.sampled_from([0.0, 0.2, 0.5]))
    def test_what_is_hidden_is_revealed(self, payload, wet):
        cover, hidden, plaintext = hide(payload, wet=wet)
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext
        changed = hidden.elements.astype(int) - cover
        assert np.abs(changed).max() <= 1
        assert hidden.changes == np.count_nonzero(changed)
        assert np.isfinite(hidden.distortion)
        assert hidden.message_bits == 8 * (54 + len(payload))

    def test_larger_pictures_use_larger_zones(self):
        _, hidden, plaintext = hide(bytes(400), n=200_000)
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext

    def test_the_salt_decides_everything_and_is_fresh(self):
        same = [hide(random=bytes)[1].elements for _ in range(2)]
        assert np.array_equal(same[0], same[1])
        fresh = [hide()[1].elements for _ in range(2)]
        assert not np.array_equal(fresh[0], fresh[1])

    def test_wet_elements_stay(self):
        cover, hidden, _ = hide(wet=0.5)
        wet = np.isinf(costs(wet=0.5))
        assert np.array_equal(cover[wet], hidden.elements[wet])

    def test_any_element_changed_by_one_is_detected(self):
        _, hidden, _ = hide()
        for place in np.random.default_rng(5).choice(N, 60, replace=False):
            damaged = hidden.elements.copy()
            damaged[place] += 1 if damaged[place] < 255 else -1
            with pytest.raises(ExtractionError):
                hiding.reveal(damaged, KEY, SHAPE)

    def test_wrong_key_wrong_shape_and_nothing_hidden_are_one_error(self):
        _, hidden, _ = hide()
        cases = [
            (hidden.elements, keys.SharedKey(b"another key").at(bytes(16)), SHAPE),
            (hidden.elements, KEY, layout.associated_data(32, 128, 1)),
            (elements(), KEY, SHAPE),
            (elements(100), KEY, SHAPE),
            (np.zeros(N, np.uint8), KEY, SHAPE),
        ]
        messages = set()
        for case in cases:
            with pytest.raises(ExtractionError) as caught:
                hiding.reveal(*case)
            messages.add(str(caught.value))
        assert len(messages) == 1

    def test_a_zone_without_a_solution_is_retried_then_reported(self, monkeypatch):
        calls = []

        def refuse(*args, **kwargs):
            calls.append(1)
            raise stc.PayloadTooLargeError("no solution")

        monkeypatch.setattr(stc, "embed_ternary", refuse)
        with pytest.raises(CapacityError, match="8 attempts") as caught:
            hide()
        assert len(calls) == hiding.MAX_ATTEMPTS
        assert caught.value.needed_bits == 8 * 61

    def test_a_retry_succeeds_with_a_fresh_salt(self, monkeypatch):
        real, failures = stc.embed_ternary, [1]

        def refuse_once(*args, **kwargs):
            if failures:
                failures.pop()
                raise stc.PayloadTooLargeError("no solution")
            return real(*args, **kwargs)

        monkeypatch.setattr(stc, "embed_ternary", refuse_once)
        _, hidden, plaintext = hide()
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext

    def test_large_pictures_use_their_cheapest_elements(self, monkeypatch):
        monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 2000)
        cover, hidden, plaintext = hide()
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext
        changed = hidden.elements != cover
        assert costs()[changed].max() <= np.sort(costs())[2000]

    def test_too_few_cheap_elements_bring_the_others_back(self, monkeypatch):
        monkeypatch.setattr(hiding, "LIVE_ELEMENTS", 50)
        _, hidden, plaintext = hide()
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext

    def test_trouble_in_the_decoder_is_the_same_error(self, monkeypatch):
        _, hidden, _ = hide()

        def fail(*args, **kwargs):
            raise stc.StcError("trouble")

        monkeypatch.setattr(stc, "extract_ternary_from", fail)
        with pytest.raises(ExtractionError):
            hiding.reveal(hidden.elements, KEY, SHAPE)

    def test_the_full_hard_capacity_can_be_used(self):
        size = layout.Zones(N).max_body_bytes - layout.MIN_BODY_BYTES
        _, hidden, plaintext = hide(bytes(size))
        assert hiding.reveal(hidden.elements, KEY, SHAPE) == plaintext

    def test_changes_go_the_way_that_the_costs_say(self):
        cover, rng = elements(40_000), np.random.default_rng(2)
        up = rng.random(cover.size) < 0.5
        cheap = rng.random(cover.size) + 0.05
        p1, m1 = np.where(up, cheap, 8 * cheap), np.where(up, 8 * cheap, cheap)
        p1[cover == 255], m1[cover == 0] = np.inf, np.inf
        plaintext = layout.pack(layout.Header(1, bytes(8)), bytes(300))
        hidden = hiding.hide(cover, p1, m1, KEY, plaintext, SHAPE)
        delta = hidden.elements.astype(int) - cover
        assert set(np.unique(delta)) == {-1, 0, 1}
        assert hidden.changes == np.count_nonzero(delta)
        paid = p1[delta == 1].sum() + m1[delta == -1].sum()
        assert hidden.distortion == pytest.approx(paid)
        right = np.count_nonzero((delta == 1) & up) + np.count_nonzero((delta == -1) & ~up)
        assert right > 0.9 * hidden.changes


class TestCapacity:
    def test_too_long_a_payload_is_refused_before_any_work(self):
        size = layout.Zones(N).max_body_bytes - layout.MIN_BODY_BYTES + 1
        with pytest.raises(CapacityError, match="too small or too flat") as caught:
            hide(bytes(size))
        assert caught.value.needed_bits == caught.value.capacity_bits + 8

    def test_too_few_dry_elements_are_refused(self):
        with pytest.raises(CapacityError) as caught:
            hide(wet=0.97)
        assert caught.value.capacity_bits < 300

    def test_elements_that_cannot_reach_their_second_bit_carry_nothing(self):
        cover = np.repeat(np.array([0, 255], np.uint8), N // 2)
        found = hiding.Changeable.of(cover, [stc.costs.wet(cover, np.ones(N))])
        assert found.limit_bits(N) == 0

    def test_a_picture_without_elements_is_refused(self):
        with pytest.raises(CapacityError):
            hiding.Changeable(100, 100).check(1, 100, KEY)


def test_the_order_key_is_not_shown(cheap_kdf):
    found = crypto.derive_keys(crypto.harden(b"key input", bytes(16)), bytes(16))
    assert found.order.hex() not in repr(found)
