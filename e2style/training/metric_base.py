"""Fit a linear base under a metric of identity: components that say who somebody is come first.

The error of a code is measured as e' M e with M = D + weight * E[J' J]: D weighs places (see
`face_weights`), and J is the derivative of a recogniser's embedding by the image, averaged over
faces half-way between the original and a coarse reconstruction. Principal components under M are
eigenvectors of M^(1/2) C M^(1/2), C being the covariance of the faces; that of one unit of any of
them costs the same. Even and odd parts of a face are decomposed apart, from covariances that are
added up batch by batch, so that memory does not grow with the number of faces.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from e2style.checkpoints.tensors import write_tensors
from e2style.config import GeneratorConfig
from e2style.data.augment import augment
from e2style.data.mix import FaceMix
from e2style.losses.identity import jitter
from e2style.losses.perceptual import face_weights
from e2style.models.base import PATCH, WEIGHT_SCALE, LinearBase

log = logging.getLogger(__name__)

BATCH = 512
POWERS = 3  # of the subspace iteration
SPARE = 60  # dimensions of the subspace beyond what is wanted
VIEWS = 2  # random directions of the embedding a face
GRADIENT_BATCH = 32
COARSE = (0.5, 2.0)  # steps of the coarse reconstructions, in units of `COARSE_UNIT`
COARSE_UNIT = 1.0

Embed = Callable[[Tensor], Tensor]
Part = tuple[Tensor, Tensor]  # even and odd


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A fitted base with what training needs beside it.

    Attributes
    ----------
    base : LinearBase
    spread : (rows, dim) standard deviations of the values over the set
    feature_spread : (channels,) of the base's feature maps
    """

    base: LinearBase
    spread: Tensor
    feature_spread: Tensor

    def save(self, path: Path) -> None:
        """Write what `base_file` of a training reads."""
        tensors = {key: value.contiguous() for key, value in self.base.state_dict().items()}
        tensors |= {"spread": self.spread, "feature_spread": self.feature_spread}
        write_tensors(path, tensors, {})


@torch.no_grad()
def fit_metric_base(
    config: GeneratorConfig,
    faces: FaceMix,
    embed: Embed | None = None,
    *,
    face_weight: float,
    identity_weight: float = 0.0,
    gradients: int = 8000,
    passes: int = 2,
) -> Fitted:
    """Fit the base of a generator to faces and their mirror images.

    Parameters
    ----------
    config : says side, rows, channels and rank of the metric
    faces : at the base's side, drawn by their probabilities
    embed : images B 3 S S in [-1, 1] -> embeddings of unit length, differentiable; None: D alone
    face_weight : as in `LossConfig`
    identity_weight : what a squared unit of the embedding costs, in squared errors summed over
        the image
    gradients : faces that E[J' J] is averaged over
    passes : over the faces for their covariance; all but the first one see augmented faces
    """
    rank = config.base_metric if embed is not None else 0
    base = LinearBase(
        config.base_side, config.base_rows, config.base_channels, config.style_dim, rank
    )
    attention = face_weights(config.base_side, face_weight)[:, : config.base_side // 2]
    base.attention.copy_(attention)
    base.patches.copy_(_patches(faces, config.base_channels, attention))
    root = attention.sqrt().expand_as(base.mean).flatten()
    covariances, feature_spread = _covariances(base, faces, root, passes)
    unweighted = _fill(base, covariances, root, None)
    if embed is None or not rank:
        return Fitted(base, unweighted, feature_spread)
    metric = _metric(base, faces, embed, root, gradients, rank)
    for name, (directions, values) in zip(("metric_even", "metric_odd"), metric, strict=True):
        scaled = directions * (identity_weight * values).sqrt() * root[:, None]
        getattr(base, name).copy_(scaled.t())
    gains = [(v, (1 + identity_weight * s).sqrt()) for v, s in metric]
    return Fitted(base, _fill(base, covariances, root, gains), feature_spread)


def _images(faces: FaceMix, count: int, seed: int) -> Iterator[Tensor]:
    """Batches of faces that are drawn by their probabilities, without repetition."""
    source = torch.Generator().manual_seed(seed)
    possible = int((faces.probabilities > 0).sum())
    chosen = torch.multinomial(faces.probabilities, min(count, possible), generator=source)
    for part in torch.split(chosen, BATCH):
        yield faces.batch(part)


def _halves(images: Tensor) -> Tensor:
    left, right = images.chunk(2, dim=3)
    return torch.cat([left, right.flip(3)])


def _patches(faces: FaceMix, channels: int, attention: Tensor) -> Tensor:
    """Orthonormal patterns of a patch that explain most: channels 3 PATCH PATCH."""
    batches = [_halves(x).contiguous() for x in _images(faces, 6 * BATCH, 0)]
    mean = torch.cat(batches).mean(0, keepdim=True)
    covariance = mean.new_zeros(3 * PATCH**2, 3 * PATCH**2)
    for halves in batches:
        unfolded = F.unfold(halves - mean, PATCH, stride=PATCH)
        covariance += torch.einsum("nip,njp,p->ij", unfolded, unfolded, attention.flatten())
    vectors: Tensor = torch.linalg.eigh(covariance)[1][:, -channels:].t().flip(0)
    return vectors.reshape(channels, 3, PATCH, PATCH).contiguous()


def _features(base: LinearBase, images: Tensor) -> Part:
    """Even and odd parts, N D each, of features that are not yet centred."""
    one, other = F.conv2d(_halves(images), base.patches, stride=PATCH).flatten(1).chunk(2)
    return (one + other) / 2**0.5, (one - other) / 2**0.5


def _covariances(
    base: LinearBase, faces: FaceMix, root: Tensor, passes: int
) -> tuple[Part, Tensor]:
    """Of even and odd parts, where errors are weighed by place; also fills the base's mean."""
    size = root.numel()
    sums = (root.new_zeros(size, size), root.new_zeros(size, size))
    mean, squares, total = root.new_zeros(size), root.new_zeros(size), 0.0
    drawn = torch.nonzero(faces.probabilities > 0).flatten()
    for turn in range(passes):
        for places in torch.split(drawn, BATCH):
            images = faces.batch(places)
            images = augment(images) if turn else images
            weights = faces.probabilities[places].float()[:, None]
            parts = _features(base, images)
            for found, part in zip(sums, parts, strict=True):
                scaled = part * root * weights.sqrt()
                found.addmm_(scaled.t(), scaled)
            mean += (parts[0] * weights).sum(0)
            squares += ((parts[0].square() + parts[1].square()) / 2 * weights).sum(0)
            total += float(weights.sum())
        log.info("covariance: pass %d of %d", turn + 1, passes)
    mean /= total
    centre = mean * root
    even = sums[0].div_(total).sub_(torch.outer(centre, centre))
    base.mean.copy_((mean / 2**0.5).reshape(base.mean.shape))
    variance = squares / total - mean.square() / 2
    spread = variance.reshape(len(base.patches), -1).mean(1).clamp_min(0).sqrt()
    return (even, sums[1].div_(total)), spread


def _metric(
    base: LinearBase, faces: FaceMix, embed: Embed, root: Tensor, count: int, rank: int
) -> list[Part]:
    """Leading directions of E[J' J] and their values, of even and odd parts, weighed by place."""
    size = root.numel()
    sums = (root.new_zeros(size, size), root.new_zeros(size, size))
    source = torch.Generator().manual_seed(1)
    seen = 0
    for batch in _images(faces, count, 2):
        for x in torch.split(batch, GRADIENT_BATCH):
            between = _between(base, x, source)
            with torch.enable_grad():
                between.requires_grad_(True)
                (moved,) = jitter(between)
                found = embed(moved)
                for view in range(VIEWS):
                    direction = torch.randn(found.shape, generator=source)
                    (slope,) = torch.autograd.grad(
                        (found * direction).sum(), between, retain_graph=view < VIEWS - 1
                    )
                    for total, part in zip(sums, _features(base, slope.float()), strict=True):
                        scaled = part / root
                        total.addmm_(scaled.t(), scaled)
            seen += len(x) * VIEWS
        log.info("metric: %d of %d faces", seen // VIEWS, count)
    return [_leading(total / seen, rank) for total in sums]


def _between(base: LinearBase, x: Tensor, source: torch.Generator) -> Tensor:
    """Images on the way from coarse reconstructions to the originals."""
    low, high = COARSE
    steps = COARSE_UNIT * low * (high / low) ** torch.rand(len(x), 1, 1, generator=source)
    coarse: Tensor = base((base.project(x) / steps).round() * steps)
    return coarse + torch.rand(len(x), 1, 1, 1, generator=source) * (x - coarse)


def _leading(matrix: Tensor, count: int) -> Part:
    """Leading eigenvectors, as columns, and eigenvalues of a symmetric matrix."""
    source = torch.Generator().manual_seed(0)
    width = min(count + SPARE, len(matrix))
    basis = torch.linalg.qr(matrix @ torch.randn(len(matrix), width, generator=source))[0]
    for _ in range(POWERS):
        basis = torch.linalg.qr(matrix @ basis)[0]
    small = basis.t() @ (matrix @ basis)
    values, vectors = torch.linalg.eigh((small + small.t()) / 2)
    basis = (basis @ vectors).flip(1)[:, :count]
    return basis, values.flip(0)[:count].clamp_min(0)


def _fill(base: LinearBase, covariances: Part, root: Tensor, gains: list[Part] | None) -> Tensor:
    """Components under the metric into the base; returns their spread, (rows, dim)."""
    count, found = len(base.weight), []
    for k, covariance in enumerate(covariances):
        if gains is None:
            basis, values = _leading(covariance, count)
        else:
            directions, gain = gains[k]
            basis, values = _leading(_under(covariance, directions, gain - 1), count)
            # Back from the space of M^(1/2).
            inverse = (1 / gain - 1)[:, None] * (directions.t() @ basis)
            basis = basis + directions @ inverse
        found.append((values, (basis.t() / root) / 2**0.5, torch.full_like(values, float(k))))
    values, weights, odd = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = values.argsort(descending=True)[:count]
    base.weight.zero_()
    base.weight[: len(order)] = weights[order].reshape(-1, *base.mean.shape) / WEIGHT_SCALE
    base.odd[: len(order)] = odd[order] > 0
    base.forget()
    spread = F.pad(values[order].sqrt(), (0, count - len(order)))
    return spread.reshape(base.rows, -1)


def _under(covariance: Tensor, directions: Tensor, excess: Tensor) -> Tensor:
    """(I + V e V') C (I + V e V') without a product of two large matrices."""
    scaled = directions * excess
    product = covariance @ directions
    inner = directions.t() @ product
    changed = covariance + scaled @ product.t() + (product * excess) @ directions.t()
    return changed + scaled @ (inner * excess) @ directions.t()
