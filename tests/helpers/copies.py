"""Comparison of a network with a copy of it whose weights lie elsewhere in memory."""

import torch

# Libraries of matrix products choose their blocks by the addresses of the operands, and sum in
# another order where these are aligned differently. A float32 sum of some thousand products then
# moves by about 1e-6 of its size, and a few layers add to that. A wrong tensor, or one at half
# precision, moves the outputs by more than 2e-4, and does not pass the comparison of weights.
TOLERANCE = 1e-4


def assert_same_weights(network, copy):
    """Every tensor equals its copy to the bit."""
    ours, theirs = network.state_dict(), copy.state_dict()
    assert ours.keys() == theirs.keys()
    for key, value in ours.items():
        assert torch.equal(theirs[key], value), key


def assert_same_output(got, wanted):
    """Both are equal, but for the order in which floats were added up."""
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    difference = float((got - wanted).abs().max())
    assert difference <= TOLERANCE * float(wanted.abs().max()), difference
