"""Ways to invert images under one interface: forward networks and the optimisers of Table I.

| method  | starts from | then changes             | until the image matches                    |
|---------|-------------|--------------------------|-------------------------------------------|
| forward | the encoder | nothing                  |                                           |
| idgi    | the encoder | the code, 100 steps      | and the encoder finds that code in it     |
| dni     | the encoder | the noise maps, 100 steps | and the maps stay like noise             |
| i2s     | w_avg       | the code, 1,000 steps    |                                           |

Zhu et al. 2020 (in-domain GAN inversion), Yang et al. 2021 (domain-guided noise optimisation),
Abdal et al. 2019 (Image2StyleGAN). Their images are compared by VGG features; here by LPIPS
where it is at hand, else by squared errors alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call

from e2style.errors import ConfigError
from e2style.models.inversion import InversionNetwork

Distance = Callable[[Tensor, Tensor], Tensor]
PERCEPTUAL = 0.8  # weight of LPIPS beside the squared error, as in eq. 6
NOISE_FLOOR = 8  # side below which noise maps are not looked at


@dataclasses.dataclass(frozen=True)
class Method:
    """Way to find codes.

    Attributes
    ----------
    name : see the table above
    steps : of Adam; 0 for a forward network
    lr : its rate
    starts_from_mean : at w_avg, without an encoder
    noise : the noise maps are changed, not the code
    in_domain : weight of the code's distance from what the encoder finds in the generated image
    noise_like : weight of the autocorrelation of the maps (Karras et al. 2020, App. D)
    """

    name: str
    steps: int = 0
    lr: float = 0.01
    starts_from_mean: bool = False
    noise: bool = False
    in_domain: float = 0.0
    noise_like: float = 0.0


METHODS = {
    "forward": Method("forward"),
    "idgi": Method("idgi", 100, in_domain=2.0),
    "dni": Method("dni", 100, lr=0.1, noise=True, noise_like=1e3),
    "i2s": Method("i2s", 1000, starts_from_mean=True),
}


@dataclasses.dataclass(frozen=True)
class Found:
    """Codes, and noise maps where they were changed, that reproduce images.

    Attributes
    ----------
    codes : B n 512
    noise : maps B 1 r r by the name of their buffer; none where the stored ones are used
    """

    codes: Tensor
    noise: dict[str, Tensor]


class Inverter:
    """A network and a method.

    Parameters
    ----------
    network : InversionNetwork, frozen
    method : one of METHODS, or with other numbers
    stages : encoder runs; None means all
    distance : perceptual, from images B 3 S S in [-1, 1], twice, to B values; None: none
    edit : from the codes that were found to those that are generated; None: the same
    """

    def __init__(
        self,
        network: InversionNetwork,
        method: Method = METHODS["forward"],
        *,
        stages: int | None = None,
        distance: Distance | None = None,
        edit: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if method.starts_from_mean and stages is not None:
            raise ConfigError(f"stages: the method {method.name} uses no encoder")
        self.network = network
        self.method = method
        self.stages = stages
        self.distance = distance
        self.edit = edit

    def __call__(self, images: Tensor) -> Found:
        """Invert images B 3 S S in [-1, 1], each by itself, whatever the batch; then edit."""
        found = self._invert(images)
        return found if self.edit is None else Found(self.edit(found.codes), found.noise)

    def _invert(self, images: Tensor) -> Found:
        with torch.no_grad():
            if self.method.starts_from_mean:
                codes = self.network.w_avg.expand(len(images), -1, -1).clone()
            else:
                codes = self.network.invert(images, self.stages)
        if not self.method.steps:
            return Found(codes, {})
        return self._optimise(self.network.pool(images), codes)

    def generate(self, found: Found) -> Tensor:
        """Images of what was found: B 3 R R, nominally [-1, 1]."""
        if not found.noise:
            return self.network.synthesize(found.codes)
        generated: Tensor = functional_call(self.network.generator, found.noise, (found.codes,))
        return generated

    def _optimise(self, x: Tensor, codes: Tensor) -> Found:
        method = self.method
        noise: dict[str, Tensor] = {}
        if method.noise:
            for name, stored in self.network.generator.named_buffers():
                if name.endswith("noise"):
                    noise[name] = stored.expand(len(x), -1, -1, -1).clone().requires_grad_()
        else:
            codes = codes.clone().requires_grad_()
        optimizer = torch.optim.Adam([*noise.values()] or [codes], lr=method.lr)
        for _ in range(method.steps):
            optimizer.zero_grad()
            with torch.enable_grad():
                found = Found(codes, noise)
                generated = self.network.pool(self.generate(found))
                loss = self._loss(x, generated, found)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        return Found(codes.detach(), {name: value.detach() for name, value in noise.items()})

    def _loss(self, x: Tensor, generated: Tensor, found: Found) -> Tensor:
        """Sum over the images, so that none sees the others."""
        method = self.method
        loss = (generated - x).square().mean((1, 2, 3)).sum()
        if self.distance is not None:
            loss = loss + PERCEPTUAL * self.distance(generated, x).sum()
        if method.in_domain:
            seen = self.network.invert(generated, self.stages)
            loss = loss + method.in_domain * (found.codes - seen).square().mean((1, 2)).sum()
        if method.noise_like:
            loss = loss + method.noise_like * sum(map(autocorrelation, found.noise.values()))
        return loss


def autocorrelation(maps: Tensor) -> Tensor:
    """Squared autocorrelation of maps B 1 r r, of white noise 0, over all scales down to 8 x 8.

    Summed over B.
    """
    total = maps.new_zeros(())
    while maps.shape[-1] >= NOISE_FLOOR:
        for axis in (2, 3):
            product = maps * maps.roll(1, axis)
            total = total + product.mean((1, 2, 3)).square().sum()
        maps = F.avg_pool2d(maps, 2) * 2  # of unit variance again
    return total
