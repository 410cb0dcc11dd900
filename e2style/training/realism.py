"""What EfficientNet-lite0 and an adversary say of images, those of real faces and imagined ones."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from e2style.losses.efficientnet import feature_distance
from e2style.losses.projected import ProjectedAdversary
from e2style.models.styled_base import LEADING


class Realism(nn.Module):
    """What EfficientNet-lite0's features say of images: distance from the target, and likelihood.

    Parameters
    ----------
    features : frozen network, images to a list of levels
    adversary : its weights carry no gradient but in its own updates; None: the distance alone

    Attributes
    ----------
    seen : features of the last batch, real and generated, without gradient
    """

    def __init__(self, features: nn.Module, adversary: ProjectedAdversary | None) -> None:
        super().__init__()
        self.features = features
        self.adversary = adversary
        self.seen: tuple[list[Tensor], list[Tensor]] | None = None
        if adversary is not None:
            adversary.requires_grad_(False)

    def forward(self, painted: Tensor, target: Tensor, imagined: Tensor) -> dict[str, Tensor]:
        """Terms of the loss, of images B 3 S S in [-1, 1] on one random window of all.

        Parameters
        ----------
        painted, target : images and what they are to look like
        imagined : images without a target, or none of them; the adversary alone judges these
        """
        count = len(painted)
        shown, target = window(torch.cat([painted, imagined]), target)
        with torch.no_grad():
            wanted = self.features(target)
        got = self.features(shown)
        aimed, free = [level[:count] for level in got], [level[count:] for level in got]
        terms = {"features": feature_distance(aimed, wanted)}
        if self.adversary is not None:
            terms["adversarial"] = self.adversary.generator_loss(aimed)
            if len(imagined):
                terms["imagined"] = self.adversary.generator_loss(free)
            self.seen = (wanted, [level.detach() for level in got])
        return terms


def window(*images: Tensor) -> list[Tensor]:
    """The same random window of images B 3 S S, seven eighths of their side.

    Strided features see some pixels more than others; moved, they see all alike. That is the
    translation of Zhao et al. 2020, "Differentiable Augmentation", and a quarter less to compute.
    """
    side = images[0].shape[-1]
    kept = side * 7 // 8
    top, left = torch.randint(side - kept + 1, (2,)).tolist()
    return [x[..., top : top + kept, left : left + kept] for x in images]


def imagined_codes(codes: Tensor, spread: Tensor, count: int) -> Tensor:
    """Codes 2·count n 512 that no image stands behind: between two faces, and drawn.

    Parameters
    ----------
    codes : B n 512 of faces, which say their rate
    spread : of each component of the base rows
    count : of either kind, at most B
    """
    share = 0.3 + 0.4 * torch.rand(count, 1, 1, device=codes.device)
    between = torch.lerp(codes[:count], codes.roll(1, 0)[:count], share)
    drawn = codes[-count:].clone()
    rows = len(spread) // codes.shape[2]
    values = torch.randn(count, len(spread), device=codes.device) * spread
    values[:, LEADING:] = 0
    drawn[:, :rows] = values.reshape(count, rows, -1)
    return torch.cat([between, drawn])
