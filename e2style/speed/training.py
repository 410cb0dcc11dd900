"""Speed of a training step of stage 1, against the straightforward implementation.

A step is everything between two batches: forward through encoder, frozen generator and the four
losses of eq. 6, backward, Ranger. The reference is `e2style.models.reference` with the losses as
the released code runs them (the parser's expanding half included), NCHW, float32. Ours is the step
of `e2style train`. Networks have random weights, which do not matter to speed. Each variant runs in
a process of its own, so that its peak of memory is its own too.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import InversionConfig
from e2style.devices import usable, wait
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.perceptual import PerceptualLoss, PixelLoss
from e2style.models.alexnet import LPIPS, AlexNet, LPIPSHeads
from e2style.models.irse50 import IRSE50
from e2style.models.parsing_unet import ParsingUNet
from e2style.models.reference import ReferenceInversion
from e2style.speed.inference import Timing, apart, peak_mib, random_network
from e2style.training.optim import ranger
from e2style.training.stage import StageObjective
from e2style.training.work import Terms

__all__ = ["measure_training"]

WEIGHTS = {"l2": 1.0, "lpips": 0.8, "identity": 0.5, "parsing": 1.0}  # eq. 6
RATE = 1e-4
SEED = 1


@dataclasses.dataclass(frozen=True)
class _Taken:
    """Measurements of one process: seconds and processor seconds a step, first losses, memory."""

    seconds: list[float]
    worked: list[float]
    terms: dict[str, float]
    memory_mib: int


def measure_training(
    config: InversionConfig,
    *,
    steps: int = 2,
    turns: int = 1,
    batch: int = 1,
    threads: int = 0,
    device: str = "cpu",
    compiled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time a training step of the reference, of ours, and of ours in bfloat16.

    Parameters
    ----------
    config : which network; its first stage is trained
    steps : timed steps of each variant and turn, behind one that warms up
    turns : how often the variants follow each other
    batch, threads, device : as in `e2style.speed.inference.measure_inference`
    compiled : add a variant of ours through `torch.compile`, which needs a compiler
    progress : called with (done, total) processes

    Returns
    -------
    per image; `error` is the largest relative one of a loss term before the first step

    Raises
    ------
    ConfigError : no such device
    E2StyleError : a process died
    """
    usable(device)
    config = dataclasses.replace(config, stages=1)
    variants = ["reference fp32", "e2style fp32", "e2style bf16"]
    if compiled:
        variants.append("e2style bf16 compiled")
    taken: dict[str, _Taken] = {}
    for turn in range(turns):
        for k, variant in enumerate(variants):
            found = apart(_run, config, variant, steps, batch, threads, device)
            before = taken.setdefault(variant, found)
            if before is not found:
                before.seconds.extend(found.seconds)
                before.worked.extend(found.worked)
            if progress is not None:
                progress(turn * len(variants) + k + 1, turns * len(variants))
    first = taken[variants[0]]
    return [
        Timing(
            name=name,
            best_s=min(own.seconds) / batch,
            median_s=statistics.median(own.seconds) / batch,
            cpu_s=min(own.worked) / batch,
            images_per_s=batch / min(own.seconds),
            memory_mib=own.memory_mib,
            speedup=min(first.seconds) / min(own.seconds),
            cpu_speedup=min(first.worked) / min(own.worked),
            error=max(abs(own.terms[term] / value - 1) for term, value in first.terms.items()),
        )
        for name, own in taken.items()
    ]


class _Step(Protocol):
    def losses(self, x: Tensor, train: bool) -> dict[str, Tensor]: ...

    def step(self, x: Tensor) -> None: ...


def _run(
    config: InversionConfig, variant: str, steps: int, batch: int, threads: int, device: str
) -> _Taken:
    if threads:
        torch.set_num_threads(threads)
    where = torch.device(device)
    run: _Step
    if variant == "reference fp32":
        run = _Reference(config, where)
    else:
        dtype = torch.bfloat16 if "bf16" in variant else torch.float32
        run = _Ours(config, where, dtype, compiled="compiled" in variant)
    side = config.encoder.image_size
    source = torch.Generator().manual_seed(SEED)
    x = torch.rand(batch, 3, side, side, generator=source).mul(2).sub(1).to(where)
    with torch.no_grad():  # eval mode and stored noise: what must be equal
        terms = {name: float(value) for name, value in run.losses(x, False).items()}
    seconds, worked = [], []
    for _ in range(steps + 1):
        wait(where)
        start, before = time.perf_counter(), time.process_time()
        run.step(x)
        wait(where)
        seconds.append(time.perf_counter() - start)
        worked.append(time.process_time() - before)
    return _Taken(seconds[1:], worked[1:], terms, peak_mib(where))


def _networks() -> tuple[LPIPS, IRSE50, ParsingUNet]:
    torch.manual_seed(SEED)
    networks = LPIPS(AlexNet(), LPIPSHeads()), IRSE50(), ParsingUNet()
    for network in networks:
        network.requires_grad_(False).eval()
    return networks


def _cosine_sum(levels: Callable[[Tensor], list[Tensor]], generated: Tensor, x: Tensor) -> Tensor:
    """Sum of 1 - cosine over levels, as the released losses write it."""
    pairs = zip(levels(generated), levels(x), strict=True)
    cosines = [F.cosine_similarity(a.flatten(1), b.detach().flatten(1)) for a, b in pairs]
    return torch.stack([(1 - cosine).mean() for cosine in cosines]).sum()


class _Reference:
    """The straightforward step."""

    def __init__(self, config: InversionConfig, device: torch.device) -> None:
        self.lpips, self.recogniser, self.parser = _networks()
        for net in (self.lpips, self.recogniser, self.parser):
            net.to(device)
        network = random_network(config)
        network.encoders.requires_grad_(True)
        self.model = ReferenceInversion(network).to(device)
        trained = [*self.model.encoders.parameters(), *self.model.never_run.parameters()]
        self.optimizer = ranger(trained, RATE)

    def losses(self, x: Tensor, train: bool) -> dict[str, Tensor]:
        """Terms of the loss, forward."""
        self.model.train(train)
        generated = self.model.pool(self.model.generator(self.model.invert(x), random_noise=train))
        return {
            "l2": F.mse_loss(generated, x),
            "lpips": self.lpips(generated, x).mean(),
            "identity": _cosine_sum(self.recogniser, generated, x),
            "parsing": _cosine_sum(self._parsed, generated, x),
        }

    def _parsed(self, images: Tensor) -> list[Tensor]:
        """Levels of the parser, whose expanding half runs for nothing."""
        with torch.no_grad():
            self.parser.parse(images)
        levels: list[Tensor] = self.parser(images)
        return levels

    def step(self, x: Tensor) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad()
        _backward(self.losses(x, True))
        self.optimizer.step()


class _Ours:
    """The step of `e2style train`."""

    def __init__(
        self, config: InversionConfig, device: torch.device, dtype: torch.dtype, *, compiled: bool
    ) -> None:
        lpips, recogniser, parser = _networks()
        losses: dict[str, nn.Module] = {
            "l2": PixelLoss(),
            "lpips": PerceptualLoss(lpips),
            "identity": MultiLayerCosineLoss(recogniser),
            "parsing": MultiLayerCosineLoss(parser),
        }
        network = random_network(config)
        network.encoders.requires_grad_(True)
        network.channels_last().to(device)
        if compiled:
            network.encoders[-1].compile()
            network.generator.compile()
        terms = Terms(losses)
        cast(Any, terms).to(device, memory_format=torch.channels_last)
        self.model = StageObjective(network, terms, noise="random")
        self.optimizer = ranger([*network.encoders.parameters()], RATE)
        self.device, self.dtype = device, dtype

    def losses(self, x: Tensor, train: bool) -> dict[str, Tensor]:
        """Terms of the loss, forward."""
        self.model.train(train)
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, self.dtype, self.dtype != torch.float32):
            found: dict[str, Tensor] = self.model(x, x, torch.arange(len(x)))
        return found

    def step(self, x: Tensor) -> None:
        """Forward, backward, update."""
        self.optimizer.zero_grad()
        _backward(self.losses(x, True))
        self.optimizer.step()


def _backward(terms: dict[str, Tensor]) -> None:
    total = torch.stack([WEIGHTS[name] * value for name, value in terms.items()]).sum()
    torch.autograd.backward(total)
