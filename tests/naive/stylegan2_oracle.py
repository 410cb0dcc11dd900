"""StyleGAN2's synthesis and mapping in numpy, sample by sample, from a state dict of NVIDIA's.

Karras et al. 2020, appendix B and figure 7, written from the paper in float64: zero insertion,
padding, filtering, and one weight per sample. It shares no line with `e2style`.
"""

import math

import numpy as np

GAIN = math.sqrt(2.0)


def _activation(x):
    return np.where(x < 0, 0.2 * x, x) * GAIN


def _dense(x, weight, bias, rate=1.0):
    return x @ (weight * (rate / math.sqrt(weight.shape[1]))).T + bias * rate


def mapping(state, z):
    x = z / np.sqrt((z**2).mean(1, keepdims=True) + 1e-8)
    number = 0
    while f"mapping.fc{number}.weight" in state:
        prefix = f"mapping.fc{number}"
        x = _activation(_dense(x, state[f"{prefix}.weight"], state[f"{prefix}.bias"], 0.01))
        number += 1
    return x


def _correlate(x, kernel, pad):
    """(I, H, W) with (O, I, k, k) -> (O, H', W')."""
    k = kernel.shape[-1]
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("ihwab,oiab->ohw", windows, kernel)


def _blur(x, before, after):
    """Filter of [1, 3, 3, 1] in both directions, of gain 4, behind zero padding."""
    taps = np.array([1.0, 3.0, 3.0, 1.0]) / 4
    x = np.pad(x, ((0, 0), (before, after), (before, after)))
    windows = np.lib.stride_tricks.sliding_window_view(x, (4, 4), axis=(1, 2))
    return np.einsum("chwab,a,b->chw", windows, taps, taps)


def _doubled(x):
    spread = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2]))
    spread[:, ::2, ::2] = x
    return spread


def _styled(state, prefix, x, w, up):
    style = _dense(w, state[f"{prefix}.affine.weight"], state[f"{prefix}.affine.bias"])
    weight = state[f"{prefix}.weight"] * style[None, :, None, None]
    weight = weight / np.sqrt((weight**2).sum((1, 2, 3), keepdims=True) + 1e-8)
    if up:
        # A transposed convolution adds the kernel at every input: zeros between, kernel turned.
        side = 2 * x.shape[1] - 1
        spread = np.zeros((len(x), side, side))
        spread[:, ::2, ::2] = x
        x = _blur(_correlate(spread, weight[:, :, ::-1, ::-1], 2), 1, 1)
    else:
        x = _correlate(x, weight, 1)
    x = x + state[f"{prefix}.noise_const"] * state[f"{prefix}.noise_strength"]
    return _activation(x + state[f"{prefix}.bias"][:, None, None])


def _rgb(state, prefix, x, w):
    style = _dense(w, state[f"{prefix}.affine.weight"], state[f"{prefix}.affine.bias"])
    weight = state[f"{prefix}.weight"] * (style / math.sqrt(len(x)))[None, :, None, None]
    return _correlate(x, weight, 0) + state[f"{prefix}.bias"][:, None, None]


def synthesis(state, codes):
    """Codes (n, dim) -> image (3, R, R), stored noise."""
    state = {key: np.asarray(value, np.float64) for key, value in state.items()}
    x = state["synthesis.b4.const"]
    x = _styled(state, "synthesis.b4.conv1", x, codes[0], False)
    image = _rgb(state, "synthesis.b4.torgb", x, codes[1])
    row, block = 1, 8
    while f"synthesis.b{block}.conv0.weight" in state:
        prefix = f"synthesis.b{block}"
        x = _styled(state, f"{prefix}.conv0", x, codes[row], True)
        x = _styled(state, f"{prefix}.conv1", x, codes[row + 1], False)
        image = _blur(_doubled(image), 2, 1) + _rgb(state, f"{prefix}.torgb", x, codes[row + 2])
        row, block = row + 2, 2 * block
    return image
