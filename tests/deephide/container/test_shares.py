"""Shares of a content: any so many are enough, and fewer say what is missing."""

import itertools
import json
from pathlib import Path

import pytest
import shares_oracle
from hypothesis import given, settings
from hypothesis import strategies as st

from deephide.container import layout, shares
from deephide.container.shares import Share, join, split
from deephide.errors import ExtractionError, IncompleteError

SET = b"\1\2\3\4"


@settings(deadline=None, max_examples=40)
@given(st.binary(min_size=1, max_size=40), st.integers(1, 5), st.integers(0, 4))
def test_any_so_many_shares_are_enough(content, needed, more):
    made = split(content, needed, needed + more, SET)
    for chosen in itertools.combinations(made, needed):
        assert join(reversed(chosen)) == content


@settings(deadline=None, max_examples=20)
@given(st.binary(min_size=1, max_size=30), st.integers(1, 4), st.integers(0, 3))
def test_the_second_reader_puts_them_together_too(content, needed, more):
    made = [(each.parameters, each.row) for each in split(content, needed, needed + more, SET)]
    assert shares_oracle.join(made[-needed:]) == content


def test_the_first_shares_are_the_content_itself():
    made = split(b"abcdefg", 3, 5, SET)
    assert [each.row for each in made[:3]] == [b"abc", b"def", b"g\0\0"]
    assert {(each.padding, each.needed, each.total) for each in made} == {(2, 3, 5)}


def test_too_few_are_counted():
    made = split(b"a longer content", 3, 5, SET)
    with pytest.raises(IncompleteError, match="found 2 of the 3 photos that are needed; 5 were"):
        join([made[4], made[0], made[4]])


def test_sets_do_not_mix():
    one, other = split(b"first", 2, 3, SET), split(b"second", 2, 3, b"\0\0\0\0")
    with pytest.raises(IncompleteError):
        join([one[0], other[1]])
    assert join([other[2], one[0], other[1]]) == b"second"


def test_shares_that_contradict_one_another_are_rejected():
    one, other = split(b"first", 2, 3, SET), split(b"other", 2, 3, SET)
    with pytest.raises(ExtractionError):
        join([one[0], other[0], one[1]])
    padded = Share(SET, 2, 2, 1, 1, b"zz")
    with pytest.raises(ExtractionError):
        join([Share(SET, 2, 2, 0, 1, b"ab"), padded])


@pytest.mark.parametrize(
    "numbers", [(0, 1, 0, 0), (3, 2, 0, 0), (1, 65, 0, 0), (2, 3, 3, 0), (2, 3, 1, 2)]
)
def test_parameters_that_no_sender_writes_are_rejected(numbers):
    with pytest.raises(ExtractionError):
        Share.of(SET + bytes(numbers), b"row")
    with pytest.raises(ExtractionError):
        Share.of(SET + bytes((2, 3, 1, 0)), b"")


@pytest.mark.parametrize("numbers", [(0, 3), (4, 3), (2, shares.MAX_SHARES + 1)])
def test_numbers_of_photos_that_cannot_be(numbers):
    with pytest.raises(ValueError, match="needed: got"):
        split(b"content", *numbers, SET)


def test_a_share_of_shares_is_rejected():
    for first in (layout.CODEC_SHARE, 0x80, 0xFF):
        with pytest.raises(ExtractionError):
            layout.unpack_content(bytes([first]) + bytes(12))
    with pytest.raises(ExtractionError):
        layout.unpack_content(bytes(8))
    header = layout.Header(3, bytes(range(8)))
    assert layout.unpack_content(layout.pack_content(header, b"data")) == (header, b"data")


VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "container" / "shares.json").read_text(
        encoding="utf-8"
    )
)


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: case["name"])
def test_vectors(case):
    given = [tuple(map(bytes.fromhex, pair)) for pair in case["shares"]]
    if case["expect"] == "ok":
        content = bytes.fromhex(case["content"])
        assert join(Share.of(*each) for each in given) == content
        assert shares_oracle.join(given) == content
        return
    errors = {
        "ExtractionError": (ExtractionError, shares_oracle.RejectedError),
        "IncompleteError": (IncompleteError, shares_oracle.IncompleteError),
    }
    ours, theirs = errors[case["expect"]]
    with pytest.raises(ours):
        join(Share.of(*each) for each in given)
    with pytest.raises(theirs):
        shares_oracle.join(given)
