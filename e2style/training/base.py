"""Fit of the linear base of a generator: principal components of aligned faces."""

from __future__ import annotations

import logging

import torch
import torch.nn.functional as F
from torch import Tensor

from e2style.data.faces import FaceSet
from e2style.losses.perceptual import face_weights
from e2style.models.base import PATCH, WEIGHT_SCALE, LinearBase

log = logging.getLogger(__name__)

BATCH = 256
ITERATIONS = 2  # of the randomised decomposition; the components that matter have settled


@torch.no_grad()
def fit_base(base: LinearBase, faces: FaceSet, *, face_weight: float, step: float) -> Tensor:
    """Fill a base with the components of a set and of its mirror images.

    Components minimise the squared error, weighted as in training, and are sorted by how much
    they explain. Each is scaled so that the rounding of its value to integers costs as much as
    that of any other.

    Parameters
    ----------
    base : LinearBase, changed in place
    faces : thousands; where they are fewer than the components, the last of these stay silent
    face_weight : as in `LossConfig`
    step : standard of rounding: length of one unit of a value in levels of 0 to 255, over the
        whole image and weighted

    Returns
    -------
    (rows, 512) standard deviations of the values over the set, in these units
    """
    count, channels = len(base.weight), len(base.patches)
    side = base.picture_side // PATCH
    attention = face_weights(side, face_weight)
    halves = _halves(base, faces)
    mean = halves.mean(0)
    patches = _patch_components(halves - mean, channels, attention)
    features = F.conv2d(halves - mean, patches, stride=PATCH)
    del halves
    root = attention[:, : side // 2].sqrt()
    left, right = (features * root).flatten(1).chunk(2)
    found = []
    for part in ((left + right) / 2, (left - right) / 2):
        _, singular, basis = torch.svd_lowrank(part, q=min(count, *part.shape), niter=ITERATIONS)
        # Both halves of an image count, so its energy is twice that of one.
        found.append((singular * (2 / len(part)) ** 0.5, basis.t()))
    spread = torch.cat([singular for singular, _ in found])
    basis = torch.cat([basis for _, basis in found]) / 2**0.5
    odd = torch.arange(len(spread)) >= len(found[0][0])
    order = spread.argsort(descending=True)[:count]
    if len(order) < count:
        log.warning("%d faces give %d components of %d", len(faces), len(order), count)
    unit = step / 127.5
    shape = (-1, *base.mean.shape)
    base.weight.zero_()
    base.weight[: len(order)] = basis[order].reshape(shape) / root * (unit / WEIGHT_SCALE)
    base.mean.copy_(F.conv2d(mean[None], patches, stride=PATCH)[0])
    base.patches.copy_(patches)
    base.odd[: len(order)] = odd[order]
    base.attention.copy_(attention[:, : side // 2])
    log.info("%d components, of which %d are odd", count, int(base.odd.sum()))
    return F.pad(spread[order] / unit, (0, count - len(order))).reshape(base.rows, -1)


def _halves(base: LinearBase, faces: FaceSet) -> Tensor:
    """Left halves of all images, then the mirrored right ones: 2N 3 S S/2 in [-1, 1]."""
    parts = []
    for start in range(0, len(faces), BATCH):
        x = faces.batch(torch.arange(start, min(start + BATCH, len(faces))))
        parts.append(F.adaptive_avg_pool2d(x, base.picture_side).contiguous())
    left, right = torch.cat(parts).chunk(2, dim=3)
    return torch.cat([left, right.flip(3)])


def _patch_components(halves: Tensor, channels: int, attention: Tensor) -> Tensor:
    """Orthonormal patterns of a patch that explain most: channels 3 PATCH PATCH."""
    weights = attention[:, : attention.shape[1] // 2].flatten()
    covariance = halves.new_zeros(3 * PATCH * PATCH, 3 * PATCH * PATCH)
    for start in range(0, len(halves), BATCH):
        part = halves[start : start + BATCH]
        unfolded = F.unfold(part, PATCH, stride=PATCH)  # N (3 P P) places
        covariance += torch.einsum("nip,njp,p->ij", unfolded, unfolded, weights)
    _, vectors = torch.linalg.eigh(covariance)
    found: Tensor = vectors[:, -channels:].t().flip(0)
    return found.reshape(channels, 3, PATCH, PATCH).contiguous()
