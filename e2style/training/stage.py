"""Training of one stage as the paper has it: encoder t learns, everything else is frozen."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from e2style.config import TrainConfig
from e2style.data.pairs import PairSet, ReadAhead
from e2style.devices import uploaded
from e2style.errors import ConfigError, DataError
from e2style.losses.perceptual import LatentNormLoss
from e2style.models.inversion import InversionNetwork, weightless
from e2style.training.assemble import assemble
from e2style.training.critic import CodeTerms, CriticTraining
from e2style.training.feature_networks import load_losses
from e2style.training.noise import normal
from e2style.training.ranks import Ranks, share_batch_norms
from e2style.training.state import load_weights
from e2style.training.work import Terms, at_side, shown

log = logging.getLogger(__name__)

SHOWN = 8  # images in a grid
BATCHED_SIDE = 128  # generators up to this size generate a whole batch at once on a CPU too


class StageObjective(nn.Module):
    """The last stage of a network, and the losses of what it generates.

    source ─► E_1..E_{t-1}, G (frozen) ─► E_t ─► w_t ─► G ─► area average ─► losses ◄─ target

    Parameters
    ----------
    network : InversionNetwork whose last encoder is trained
    terms : Terms
    w_norm : add the length of the code's offset to the terms
    code_terms : terms of e4e on the codes
    of_base : compare codes with what the base finds in the target; the generator then runs only
        if there are terms on images
    side : images are generated and compared at this side; 0 means that of the encoders
    noise : "random" draws the noise maps of every sample from its place in the order
    seed : of that noise

    Attributes
    ----------
    codes : B n 512 of the last forward pass, without gradient
    """

    def __init__(
        self,
        network: InversionNetwork,
        terms: Terms,
        *,
        w_norm: bool = False,
        code_terms: CodeTerms | None = None,
        of_base: bool = False,
        side: int = 0,
        noise: str = "stored",
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.network = network
        self.terms = terms
        self.norm = LatentNormLoss() if w_norm else None
        self.code_terms = code_terms
        self.of_base = of_base
        self.codes = torch.empty(0)
        self.side = side
        self.seed = seed
        names = [n for n, _ in network.generator.named_buffers() if n.endswith("noise")]
        self.noise_maps = names if noise == "random" else []

    @property
    def names(self) -> list[str]:
        """Names of the terms."""
        of_codes = self.code_terms.names if self.code_terms else ()
        own = [*(["w_norm"] if self.norm else []), *(["code"] if self.of_base else [])]
        return [*self.terms.losses, *own, *of_codes]

    def train(self, mode: bool = True) -> StageObjective:
        """Switch the last encoder; all else stays in eval mode, batch statistics included."""
        super().train(False)
        self.network.encoders[-1].train(mode)
        self.training = mode
        return self

    def forward(self, source: Tensor, target: Tensor, places: Tensor) -> dict[str, Tensor]:
        """Terms of the loss.

        Parameters
        ----------
        source : B C S S, what the encoder is shown
        target : B 3 S S in [-1, 1]
        places : B places in the training order, which fix the noise
        """
        network = self.network
        noise = self._noise(places) if self.training else {}
        x = network.pool(source)
        if network.config.iterations:
            return self._unrolled(x, target, noise)
        earlier = network.config.stages - 1
        codes = network.w_avg
        if not earlier:
            codes = codes + network.first_guess(source)
        else:
            with torch.no_grad():
                found = network.invert(source, earlier)
                x = torch.cat([x, network.pool(self._generate(found, noise))], dim=1)
            codes = found if network.config.residual else codes
        found = network.encoders[-1](x)
        codes = codes + F.pad(found, (0, 0, 0, len(network.w_avg) - found.shape[1]))
        if not self.of_base:
            return self._compare(codes, self._generate(codes, noise), target)
        rows = network.config.generator.base_rows
        wanted = network.w_avg + network.first_guess(target)
        terms = {"code": F.mse_loss(codes[:, :rows], wanted[:, :rows])}
        if self.names != ["code"]:
            terms |= self._compare(codes, self._generate(codes, noise), target)
        return terms

    def _unrolled(self, x: Tensor, target: Tensor, noise: dict[str, Tensor]) -> dict[str, Tensor]:
        """Terms of ReStyle, the mean over its steps; none sends gradients into the one before.

        Alaluf et al. 2021, Sec. 3: every step learns to correct what the last one generated.
        """
        network = self.network
        codes = network.w_avg.expand(len(x), -1, -1)
        generated = self._generate(codes, noise)
        sums = dict.fromkeys(self.names, x.new_zeros(()))
        for _ in range(network.config.iterations):
            start = codes.detach() if network.config.residual else network.w_avg
            seen = network.pool(generated).detach()
            codes = start + network.encoders[-1](torch.cat([x, seen], dim=1))
            generated = self._generate(codes, noise)
            for name, value in self._compare(codes, generated, target).items():
                sums[name] = sums[name] + value / network.config.iterations
        return sums

    def _compare(self, codes: Tensor, generated: Tensor, target: Tensor) -> dict[str, Tensor]:
        self.codes = codes.detach()
        terms: dict[str, Tensor] = self.terms(generated, target)
        if self.norm is not None:
            terms["w_norm"] = self.norm(codes, self.network.w_avg)
        if self.code_terms is not None:
            terms |= self.code_terms(codes, self.network.encoders[-1].open_rows)
        return terms

    def _generate(self, codes: Tensor, noise: dict[str, Tensor]) -> Tensor:
        """Codes -> images at the side where they are compared.

        On a CPU large ones one by one: a single image lets styles go into the weights, which
        saves most of the passes over the large maps.
        """
        large = (self.side or self.network.config.generator.size) > BATCHED_SIDE
        parts = len(codes) if large and codes.device.type == "cpu" else 1
        chunks = [codes] if parts == 1 else [codes[k : k + 1] for k in range(parts)]
        maps = [noise]
        if parts > 1:
            maps = [{n: m[k : k + 1] for n, m in noise.items()} for k in range(parts)]
        generated = [self._generate_some(*pair) for pair in zip(chunks, maps, strict=True)]
        return generated[0] if parts == 1 else torch.cat(generated)

    def _generate_some(self, codes: Tensor, noise: dict[str, Tensor]) -> Tensor:
        generator = self.network.generator
        side = self.side or None
        generated = functional_call(generator, noise, (codes, side))
        return generated if side else self.network.pool(generated)

    def _noise(self, places: Tensor) -> dict[str, Tensor]:
        """Noise maps B 1 r r by the name of their buffer, the same in whatever batch."""
        maps = dict(self.network.generator.named_buffers())
        return {
            name: normal(places, maps[name].shape[1:], seed=self.seed, stream=stream)
            for stream, name in enumerate(self.noise_maps)
        }


class StageWork:
    """Training of a stage as the loop sees it; see `Work`.

    Parameters
    ----------
    config : TrainConfig with stage >= 1
    ranks : this process among others
    networks : feature networks that are at hand, by term

    Attributes
    ----------
    inherited : images that the run saw whose weights this one starts from
    parts : what has a state beside the encoder, its average and its optimiser
    """

    def __init__(
        self, config: TrainConfig, ranks: Ranks, networks: Mapping[str, nn.Module] | None = None
    ) -> None:
        if config.loss.rate:
            raise ConfigError("loss.rate: only joint training (stage 0) has a rate")
        self.config = config
        self.ranks = ranks
        self.pairs = PairSet(config, config.data, config.source)
        log.info("%d pairs", len(self.pairs))
        self.ahead = ReadAhead(self.pairs.sample, config.workers)
        self.probe = (
            PairSet(config, config.validation, config.validation_source, training=False)
            if config.validation
            else None
        )
        self._left_out: set[str] = set()
        # Decoded before anything is trained, so that a set without an image is rejected now.
        self._examples = self._first_readable() if self.probe else []

        network = assemble(config).requires_grad_(False)
        encoder = network.encoders[-1].requires_grad_(True)
        self.inherited = load_weights(encoder, Path(config.init)) if config.init else 0
        share_batch_norms(encoder, ranks)
        if config.channels_last:
            network.channels_last()
        network.to(ranks.device)
        self.trained: nn.Module = encoder
        self.average: nn.Module = encoder
        if config.ema_images:
            self.average = copy.deepcopy(encoder).requires_grad_(False).eval()
        terms = Terms(load_losses(config.loss, config.feature_networks, networks), exact=True)
        terms.to(ranks.device)
        self.critic: CriticTraining | None = None
        if config.loss.adversarial or config.loss.delta:
            self.critic = CriticTraining(config, encoder, network.generator, ranks)
        self.parts = self.critic.parts if self.critic else {}
        w_norm = bool(config.loss.w_norm)
        of_base = bool(config.loss.code)
        of_codes = CodeTerms(self.critic.critic) if self.critic else None
        self.objective = StageObjective(
            network,
            terms,
            w_norm=w_norm,
            code_terms=of_codes,
            of_base=of_base,
            side=config.side,
            noise=config.noise,
            seed=config.seed,
        )
        self.model: nn.Module = self.objective
        self.measured = StageObjective(
            _with_last(network, self.average),
            terms,
            w_norm=w_norm,
            code_terms=of_codes,
            of_base=of_base,
            side=config.side,
        )
        if config.compile:
            encoder.compile()
            network.generator.compile()

    @property
    def skipped(self) -> set[str]:
        """Names of the images that this process could not decode so far."""
        return set(self.pairs.bad) | {f"validation: {name}" for name in self._left_out}

    def batch(self, images: int, part: int) -> tuple[Tensor, ...]:
        """Source, target and places of this process' share."""
        if self.critic:
            self.critic.open_rows(images, self.trained, self.average)
        places = self.ranks.share(images, self.config, part)
        step = len(places) * self.ranks.world
        following = range(places.start + step, places.stop + step)
        source, target = self.pairs.tensors(self.ahead.get(places, following))
        return self._to(source), self._to(target), self._places(places)

    def _places(self, places: range) -> Tensor:
        return torch.arange(places.start, places.stop, device=self.ranks.device)

    def after_update(self, images: int) -> None:
        """Let e4e's critic learn from the codes of the last batch."""
        if self.critic and self.config.loss.adversarial:
            self.critic.update(self.objective.codes, images)

    def _to(self, x: Tensor) -> Tensor:
        layout = torch.channels_last if self.config.channels_last else torch.contiguous_format
        return uploaded(x, self.ranks.device, layout)

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Mean of every loss over the whole validation set, shared by the processes."""
        if self.probe is None:
            return {}
        self.measured.eval()
        names: list[str] = []
        sums = torch.zeros(0, dtype=torch.float64)
        mine = range(self.ranks.rank, len(self.probe), self.ranks.world)
        size = max(self.config.batch // (self.ranks.world * self.config.accumulate), 1)
        for start in range(0, len(mine), size):
            pairs = self._readable(mine[start : start + size])
            if not pairs:
                continue
            source, target = self.probe.tensors(pairs)
            terms = self.measured(self._to(source), self._to(target), torch.empty(0))
            row = torch.tensor([1.0, *(v.item() for v in terms.values())], dtype=torch.float64)
            names = list(terms)
            sums = row * len(pairs) + (sums if len(sums) else 0)
        if not names:  # a process without a share still takes part in the sum
            names = self.measured.names
            sums = torch.zeros(len(names) + 1, dtype=torch.float64)
        sums = self.ranks.sum(sums.to(self.ranks.device)).cpu()
        values = dict(zip(names, (sums[1:] / sums[0]).tolist(), strict=True))
        return values | {"total": sum(getattr(self.config.loss, k) * v for k, v in values.items())}

    def _first_readable(self) -> list[int]:
        """Places of the first validation images that can be decoded.

        Raises
        ------
        DataError : there is none
        """
        assert self.probe is not None
        found: list[int] = []
        for place in range(len(self.probe)):
            if self._readable([place]):
                found.append(place)
            if len(found) == SHOWN:
                break
        if not found:
            raise DataError(f"validation {self.config.validation}: no image can be read")
        return found

    def _readable(self, places: Iterable[int]) -> list[tuple[np.ndarray, np.ndarray]]:
        assert self.probe is not None
        found = []
        for place in places:
            try:
                found.append(self.probe.sample(place))
            except DataError:
                self._left_out.add(self.probe.names[place])
        return found

    @torch.no_grad()
    def columns(self) -> list[Tensor]:
        """Input, target where it differs, and the image of each stage."""
        pairs = self.probe or self.pairs
        places = range(min(SHOWN, len(pairs))) if self.probe is None else self._examples
        found = [pairs.sample(place) for place in places]
        source, target = (self._to(x) for x in pairs.tensors(found))
        network = self.measured.eval().network
        columns = [shown(source, self.config.labels)]
        if self.config.task != "inversion" or self.config.source:
            columns.append(target)
        for stage in range(1, network.config.steps + 1):
            # One by one: eight large images at once would take more memory than training does.
            parts = [source[k : k + 1] for k in range(len(source))]
            generated = [network.synthesize(network.invert(part, stage)) for part in parts]
            columns.append(torch.cat([at_side(each, source.shape[-1]) for each in generated]))
        return columns

    def close(self) -> None:
        """Stop the threads, close the archives."""
        self.ahead.close()
        self.pairs.close()
        if self.probe is not None:
            self.probe.close()


def _with_last(network: InversionNetwork, encoder: nn.Module) -> InversionNetwork:
    """The same network, sharing all weights, with another last encoder."""
    with weightless():
        view = InversionNetwork(dataclasses.replace(network.config))
    view.generator, view.w_avg = network.generator, network.w_avg
    view.encoders = nn.ModuleList([*list(network.encoders)[:-1], encoder])
    return view
