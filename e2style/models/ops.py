"""Modulated convolution and resampling of StyleGAN2, without custom kernels.

Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", Sec. 2 and
appendix B. Two forms of each resampling step stand side by side: a literal reference
(`*_reference`) and a polyphase form that computes the same with one ordinary convolution. CPUs are
quickest at that; a GPU does better with a transposed convolution and a blur, which take half of the
multiplications (`polyphase_is_quicker`).

Demodulation is computed in float32, whatever autocast says: in bf16 the gradients of an identity
loss lose their direction near convergence. In fp16 weights and styles are scaled to at most one
first, and activations are limited to ±256 (Karras et al. 2020, ADA, appendix D.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.devices import autocast_type, without_autocast

BLUR_TAPS = (1.0, 3.0, 3.0, 1.0)
CLAMP = 256.0  # of activations in fp16
_CONSTANTS: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}


def _constant(name: str, like: Tensor, make: Callable[[], Tensor]) -> Tensor:
    """Small tensor of a name on the device and of the type of another, uploaded once.

    It is made outside of inference mode, since otherwise nobody could train through it. Beside a
    tensor without content, which a tracer hands in, it is made anew, where the tracer sees it.
    """
    if type(like) not in (Tensor, nn.Parameter):
        return make().to(like.device, like.dtype)
    key = (name, like.device, like.dtype)
    found = _CONSTANTS.get(key)
    if found is None:
        with torch.inference_mode(False), torch.no_grad():
            found = _CONSTANTS[key] = make().to(like.device, like.dtype)
    return found


def blur_kernel(gain: float = 1.0) -> Tensor:
    """(4, 4) separable low-pass filter whose taps sum to `gain`."""
    taps = torch.tensor(BLUR_TAPS)
    kernel = torch.outer(taps, taps)
    return kernel * (gain / kernel.sum())


def upfirdn_reference(x: Tensor, kernel: Tensor, up: int, pad: tuple[int, int]) -> Tensor:
    """Insert zeros, pad, filter: the textbook order of operations.

    Parameters
    ----------
    x : B C H W
    kernel : (k, k)
    up : zero-insertion factor
    pad : samples before and after, in both directions
    """
    b, c, h, w = x.shape
    spread = x.new_zeros(b, c, h * up, w * up)
    spread[:, :, ::up, ::up] = x
    padded = F.pad(spread, (pad[0], pad[1], pad[0], pad[1]))
    taps = kernel.flip(0, 1).to(x.dtype).expand(c, 1, -1, -1)
    return F.conv2d(padded, taps, groups=c)


def upsample_reference(x: Tensor) -> Tensor:
    """Double the side of a skip image; B C H W -> B C 2H 2W."""
    return upfirdn_reference(x, blur_kernel(4.0).to(x.device), up=2, pad=(2, 1))


def upsample(x: Tensor) -> Tensor:
    """`upsample_reference` as one convolution with four phases and a pixel shuffle.

    Each output row is (1/4, 3/4) of two neighbours; beyond the border stand zeros.
    """
    b, c, h, w = x.shape
    phases = _constant("upsample", x, _upsample_phases)
    y = F.conv2d(x.reshape(b * c, 1, h, w), phases, padding=1)
    return F.pixel_shuffle(y, 2).reshape(b, c, 2 * h, 2 * w)


def _upsample_phases() -> Tensor:
    """(4, 1, 3, 3) filters of the four places that a pixel becomes."""
    rows = torch.tensor([[0.25, 0.75, 0.0], [0.0, 0.75, 0.25]])
    return torch.einsum("ai,bj->abij", rows, rows).reshape(4, 1, 3, 3)


def _phase_matrix() -> Tensor:
    """(9, 36) map from a 3x3 kernel to the four 3x3 phases of the blurred transposed one.

    A transposed 3x3 convolution followed by the 4x4 blur is a transposed 6x6 convolution;
    its output phase a (per axis) sees the taps 4 + a, 2 + a and a.
    """
    taps = np.array(BLUR_TAPS) / 4  # per axis; the blur has gain 4
    axis = np.zeros((3, 2, 3))
    for i in range(3):
        full = np.convolve(np.eye(3)[i], taps)
        for a in (0, 1):
            axis[i, a] = full[[4 + a, 2 + a, a]]
    phases = np.einsum("iax,jby->ijabxy", axis, axis).reshape(9, 36)
    return torch.tensor(phases.astype(np.float32))


def up_weight(weight: Tensor) -> Tensor:
    """Fold the blur behind a stride-2 transposed convolution into its weight.

    Parameters
    ----------
    weight : O I 3 3

    Returns
    -------
    4O I 3 3, ordered for `pixel_shuffle`
    """
    o, i = weight.shape[:2]
    matrix = _constant("phases", weight, _phase_matrix)
    phases = (weight.reshape(o * i, 9) @ matrix).reshape(o, i, 4, 9)
    return phases.transpose(1, 2).reshape(4 * o, i, 3, 3)


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, up: bool = False
) -> Tensor:
    """Convolution whose weight is scaled per sample, written as scaled activations.

    Scaling the input channels by the style and the output channels by the demodulation
    factor equals scaling the weight (appendix B), and keeps one shared weight for the batch.

    Parameters
    ----------
    x : B I H W
    weight : O I k k, already scaled by 1/sqrt(fan_in)
    style : B I
    demodulate : divide by the norm of each modulated filter, epsilon 1e-8
    up : double the side, blur included

    Returns
    -------
    B O H W, or B O 2H 2W
    """
    k = weight.shape[-1]
    half = computed_in(x) is torch.float16
    with without_autocast(x.device):
        style, weight = style.float(), weight.float()
        if demodulate and half:
            # The factors cancel in the demodulation, but for its epsilon.
            style = style / style.abs().amax(1, keepdim=True).clamp_min(1e-8)
            largest = weight.abs().amax((1, 2, 3), keepdim=True).clamp_min(1e-8)
            weight = weight / (largest * math.sqrt(weight[0].numel()))
        energy = style.square() @ weight.square().sum((2, 3)).t() if demodulate else None
    y = x * style.to(x.dtype)[:, :, None, None]
    if not up:
        y = F.conv2d(y, weight.to(y.dtype), padding=k // 2)
    elif polyphase_is_quicker(x):
        y = F.pixel_shuffle(F.conv2d(y, up_weight(weight).to(y.dtype), padding=1), 2)
    else:
        y = F.conv_transpose2d(y, weight.to(y.dtype).transpose(0, 1), stride=2)
        y = blur(y)
    if energy is not None:
        y = y * torch.rsqrt(energy + 1e-8).to(y.dtype)[:, :, None, None]
    return y


def computed_in(x: Tensor) -> torch.dtype:
    """Type that a convolution of a tensor is computed in, under autocast or without."""
    return autocast_type(x.device) or x.dtype


def limited(x: Tensor) -> Tensor:
    """Activations, limited where they are in fp16, whose range is small."""
    return x.clamp(-CLAMP, CLAMP) if x.dtype is torch.float16 else x


def blur(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """Filter behind a stride-2 transposed convolution: B C 2H+1 2W+1 -> B C 2H 2W."""
    taps = _constant("blur", x, lambda: blur_kernel(4.0)).expand(x.shape[1], 1, -1, -1)
    return F.conv2d(x, taps, bias, padding=1, groups=x.shape[1])


def polyphase_is_quicker(x: Tensor) -> bool:
    """Whether upsampling is quickest as one convolution: on CPUs, where memory is slow."""
    return x.device.type == "cpu"


def styled_conv_is_quicker(x: Tensor, weight: Tensor) -> bool:
    """Whether `styled_conv` is the quickest form: a frozen weight, a CPU, few or large maps."""
    frozen = not (torch.is_grad_enabled() and weight.requires_grad)
    return frozen and x.device.type == "cpu" and (len(x) == 1 or x.shape[-1] >= 64)


def styled_conv(
    x: Tensor, weight: Tensor, style: Tensor, noise: Tensor, bias: Tensor, *, up: bool
) -> Tensor:
    """Demodulated convolution, noise, bias and activation in as few passes as possible.

    Computes what `modulated_conv`, two sums and `scaled_leaky_relu` compute, one sample at a
    time: style, demodulation and gain go into the small weight, the bias into the convolution,
    and what remains is done in place. The blur behind the transposed convolution stays apart,
    which takes a quarter of the multiplications of `up_weight`. Gradients reach `x` and `style`;
    while a weight is trained, one that the whole batch shares is the cheaper form.

    Parameters
    ----------
    x : B I H W
    weight : O I 3 3, already scaled by 1/sqrt(fan_in)
    style : B I
    noise : 1 1 H' W' or B 1 H' W', already scaled by its gain
    bias : O
    up : double the side, blur included

    Returns
    -------
    B O H' W'
    """
    gain = math.sqrt(2.0)
    shift = bias * gain
    parts = []
    for k in range(len(x)):
        scaled = weight * style[k].to(weight.dtype)[None, :, None, None]
        norm = torch.rsqrt(scaled.square().sum((1, 2, 3), keepdim=True) + 1e-8)
        own = (scaled * (norm * gain)).to(x.dtype)
        if up:
            y = F.conv_transpose2d(x[k : k + 1], own.transpose(0, 1), stride=2)
            y = blur(y, shift.to(y.dtype))
        else:
            y = F.conv2d(x[k : k + 1], own, shift.to(x.dtype), padding=1)
        drawn = noise if len(noise) == 1 else noise[k : k + 1]
        parts.append(limited(F.leaky_relu_(y.add_((drawn * gain).to(y.dtype)), 0.2)))
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def modulated_conv_reference(
    x: Tensor, weight: Tensor, style: Tensor, *, demodulate: bool = True, up: bool = False
) -> Tensor:
    """`modulated_conv` by its definition: one weight per sample, grouped convolution."""
    b, i, h, w = x.shape
    o, k = weight.shape[0], weight.shape[-1]
    per_sample = weight[None] * style[:, None, :, None, None]
    if demodulate:
        per_sample = per_sample * torch.rsqrt(per_sample.square().sum((2, 3, 4)) + 1e-8).reshape(
            b, o, 1, 1, 1
        )
    grouped = x.reshape(1, b * i, h, w)
    if up:
        transposed = per_sample.transpose(1, 2).reshape(b * i, o, k, k)
        y = F.conv_transpose2d(grouped, transposed, stride=2, groups=b)
        y = y.reshape(b, o, 2 * h + 1, 2 * w + 1)
        return upfirdn_reference(y, blur_kernel(4.0).to(y.device), up=1, pad=(1, 1))
    y = F.conv2d(grouped, per_sample.reshape(b * o, i, k, k), padding=k // 2, groups=b)
    return y.reshape(b, o, h, w)


class EqualLinear(nn.Module):
    """Linear layer with equalised learning rate: B in -> B out.

    The stored weight has unit variance (divided by `lr_mul`); 1/sqrt(in) is applied in the
    forward pass (Karras et al. 2018, Sec. 4.1).
    """

    def __init__(self, n_in: int, n_out: int, bias_init: float = 0.0, lr_mul: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_out, n_in))
        nn.init.normal_(self.weight, std=1.0 / lr_mul)
        self.bias = nn.Parameter(torch.full((n_out,), bias_init / lr_mul))
        self.scale = lr_mul / math.sqrt(n_in)
        self.lr_mul = lr_mul

    def forward(self, x: Tensor) -> Tensor:
        """B in -> B out."""
        return F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU of slope 0.2, times sqrt(2) so that variance stays."""
    return F.leaky_relu(x, 0.2) * math.sqrt(2.0)
