"""Additions of e4e to the training of a stage: a critic of codes, and rows that open one by one.

Tov et al. 2021, "Designing an Encoder for StyleGAN Image Manipulation", Sec. 4: every row of a
code should be one that the generator's mapping network could have made (a critic judges), and
rows should differ little (their offsets cost, and come into play one after the other).
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import TrainConfig
from e2style.errors import ConfigError, DataError
from e2style.files import in_words
from e2style.models.encoder import Encoder
from e2style.models.generator import Generator
from e2style.training.ranks import Ranks

LAYERS = 4
R1 = 10.0  # weight of the gradient penalty on real codes
R1_EVERY = 16  # updates


class CodeCritic(nn.Module):
    """Judges single rows: B 512 -> B, larger where they look real.

    Parameters
    ----------
    dim : length of one row
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        sizes = [dim] * LAYERS
        layers: list[nn.Module] = []
        for n_in, n_out in itertools.pairwise(sizes):
            layers += [nn.Linear(n_in, n_out), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Linear(dim, 1))

    def forward(self, rows: Tensor) -> Tensor:
        """B 512 -> B."""
        judged: Tensor = self.layers(rows.float())
        return judged.squeeze(1)


class CodeTerms(nn.Module):
    """The two terms of e4e on codes.

    Parameters
    ----------
    critic : its weights carry no gradient but in its own updates
    """

    names = ("adversarial", "delta")

    def __init__(self, critic: CodeCritic) -> None:
        super().__init__()
        self.critic = critic.requires_grad_(False)

    def forward(self, codes: Tensor, open_rows: int) -> dict[str, Tensor]:
        """Codes B n 512 -> `adversarial`, mean over the open rows, and `delta`, their sum."""
        rows = codes[:, : open_rows + 1].float()
        offsets = torch.linalg.vector_norm(rows[:, 1:] - rows[:, :1], dim=2)
        judged = self.critic(rows.flatten(0, 1))
        return {"adversarial": F.softplus(-judged).mean(), "delta": offsets.mean(0).sum()}


class CriticTraining:
    """The critic with its optimiser, and the codes that it takes for real.

    Parameters
    ----------
    config : TrainConfig of an encoder with `deltas`
    encoder : the trained one
    generator : whose mapping network makes real codes, unless `config.latents` holds some
    ranks : this process among others

    Attributes
    ----------
    critic : CodeCritic
    parts : what has a state to be saved

    Raises
    ------
    ConfigError : another encoder, no source of real codes, or rows that would never open
    DataError : the file of codes cannot be used
    """

    def __init__(
        self, config: TrainConfig, encoder: nn.Module, generator: Generator, ranks: Ranks
    ) -> None:
        if not isinstance(encoder, Encoder) or not encoder.config.deltas:
            raise ConfigError("loss.adversarial, loss.delta: need model.encoder.deltas=true (e4e)")
        dim = generator.config.style_dim
        self.real: Tensor | None = None
        if config.latents:
            self.real = _read_codes(config.latents, dim)
        elif config.loss.adversarial and generator.mapping is None:
            raise ConfigError("latents: this generator maps no z; give codes of its own")
        last = config.progressive_start + config.progressive_images * (generator.config.n_codes - 2)
        if config.progressive_images and last >= config.images:
            raise ConfigError(
                f"progressive_images: the last row would open after {last} of "
                f"{config.images} images"
            )
        self.config = config
        self.encoder = encoder
        self.generator = generator
        self.ranks = ranks
        self.critic = CodeCritic(dim).to(ranks.device)
        self.optimizer = torch.optim.Adam(self.critic.parameters(), lr=config.critic_lr)
        self.parts: dict[str, Any] = {"critic": self.critic, "critic_optimizer": self.optimizer}

    def open_rows(self, images: int, *encoders: nn.Module) -> None:
        """Let as many rows leave the first one as may after so many images."""
        rows, config = self.generator.config.n_codes - 1, self.config
        if config.progressive_images:
            passed = images - config.progressive_start
            rows = max(0, min(rows, 1 + passed // config.progressive_images))
        for encoder in encoders:
            assert isinstance(encoder, Encoder)
            encoder.open_rows = rows

    def update(self, codes: Tensor, images: int) -> None:
        """One step of the critic on the codes B n 512 of the last batch.

        Non-saturating logistic loss, with Mescheder's R1 penalty on every 16th update.
        """
        fake = codes[:, : self.encoder.open_rows + 1].flatten(0, 1).float()
        real = self._draw(len(fake), images).requires_grad_()
        self.critic.requires_grad_(True)
        self.optimizer.zero_grad(set_to_none=True)
        judged = self.critic(real)
        loss = F.softplus(-judged).mean() + F.softplus(self.critic(fake)).mean()
        if images // self.config.batch % R1_EVERY == 0:
            (slope,) = torch.autograd.grad(judged.sum(), real, create_graph=True)
            loss = loss + R1 / 2 * R1_EVERY * slope.square().sum(1).mean()
        loss.backward()  # type: ignore[no-untyped-call]
        for parameter in self.critic.parameters():
            assert parameter.grad is not None
            parameter.grad = self.ranks.sum(parameter.grad) / self.ranks.world
        self.optimizer.step()
        self.critic.requires_grad_(False)

    @torch.no_grad()
    def _draw(self, count: int, images: int) -> Tensor:
        """Real rows (count, 512), which depend on the place in the training alone."""
        source = torch.Generator().manual_seed((self.config.seed << 40) + images)
        drawn = count * self.ranks.world
        mine = slice(count * self.ranks.rank, count * (self.ranks.rank + 1))
        if self.real is not None:
            chosen = torch.randint(len(self.real), (drawn,), generator=source)[mine]
            return self.real[chosen].to(self.ranks.device)
        assert self.generator.mapping is not None
        z = torch.randn(drawn, self.generator.config.style_dim, generator=source)[mine]
        rows: Tensor = self.generator.mapping(z.to(self.ranks.device))
        return rows


def _read_codes(path: str, dim: int) -> Tensor:
    """Rows (N n, dim) of a file of codes."""
    try:
        with Path(path).open("rb") as file:
            codes = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"latents {path}: {in_words(error)}") from error
    if not isinstance(codes, np.ndarray) or codes.ndim != 3 or codes.shape[2] != dim:
        raise DataError(f"latents {path}: must be one array of shape (N, n, {dim})")
    return torch.from_numpy(codes.astype(np.float32)).flatten(0, 1)
