"""How fast a picture becomes a code and a picture again, against the straightforward way.

All variants share one set of random weights, which do not matter to speed, and run in turns in
one process; the best of several rounds counts, since other programs only ever slow one down.
"""

from __future__ import annotations

import copy
import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from e2style.config import InversionConfig
from e2style.devices import usable
from e2style.models.inversion import InversionNetwork
from e2style.models.reference import ReferenceInversion

SEED = 0


@dataclasses.dataclass(frozen=True)
class Timing:
    """One variant.

    Attributes
    ----------
    name : what ran
    best_s, median_s : seconds a picture
    cpu_s : least processor time of a picture, summed over threads; other programs on the
        machine do not stretch it
    speedup : best of the reference over best of this
    cpu_speedup : the same of processor time
    error : rms difference from the reference's picture over the standard deviation of that
    """

    name: str
    best_s: float
    median_s: float
    cpu_s: float
    speedup: float
    cpu_speedup: float
    error: float


def random_network(config: InversionConfig, seed: int = SEED) -> InversionNetwork:
    """Network with seeded weights, whose pictures have about the contrast of real ones."""
    torch.manual_seed(seed)
    network = InversionNetwork(config)
    network.generator.seed_noise(seed)
    with torch.no_grad():
        for name, value in network.generator.named_parameters():
            if name.endswith("noise_gain"):
                value.fill_(0.15)
            elif "rgb" in name and name.endswith("conv.weight"):
                value.mul_(0.2)
    return network.eval().requires_grad_(False)


def measure_inference(
    config: InversionConfig,
    *,
    rounds: int = 5,
    batch: int = 1,
    threads: int = 0,
    device: str = "cpu",
    compiled: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time invert and synthesise of the reference, of ours, and of ours in bfloat16.

    Parameters
    ----------
    config : which network
    rounds : timed turns of each variant, behind one that warms up
    batch : pictures at a time
    threads : 0 leaves torch's own choice
    device : torch device
    compiled : add a variant of ours through `torch.compile`, which needs a compiler
    progress : called with (done, total) runs
    """
    where = usable(device)
    if threads:
        torch.set_num_threads(threads)
    network = random_network(config)
    reference = ReferenceInversion(copy.deepcopy(network)).eval().to(device)
    ours = network.to(device).channels_last()
    side = config.encoder.image_size
    source = torch.Generator().manual_seed(SEED)
    x = (torch.rand(batch, config.encoder.in_channels, side, side, generator=source) * 2 - 1).to(
        device
    )
    last = x.contiguous(memory_format=torch.channels_last)

    def plain() -> Tensor:
        painted: Tensor = reference.generator(reference.invert(x))
        return painted

    def quick() -> Tensor:
        return ours.synthesize(ours.invert(last))

    def half() -> Tensor:
        with torch.autocast(where.type, torch.bfloat16):
            painted: Tensor = quick().float()
        return painted

    variants = {"reference fp32": plain, "e2style fp32": quick, "e2style bf16": half}
    if compiled:
        variants["e2style fp32 compiled"] = torch.compile(quick)
    return _timed(variants, rounds, batch, where, progress)


@torch.inference_mode()
def _timed(
    variants: dict[str, Callable[[], Tensor]],
    rounds: int,
    batch: int,
    device: torch.device,
    progress: Callable[[int, int], None] | None,
) -> list[Timing]:
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    worked: dict[str, list[float]] = {name: [] for name in variants}
    pictures: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        for k, (name, run) in enumerate(variants.items()):
            start, worked_before = time.perf_counter(), time.process_time()
            pictures[name] = run()
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            if turn:
                seconds[name].append((time.perf_counter() - start) / batch)
                worked[name].append((time.process_time() - worked_before) / batch)
            if progress is not None:
                progress(turn * len(variants) + k + 1, (rounds + 1) * len(variants))
    first = next(iter(variants))
    wanted = pictures[first]
    return [
        Timing(
            name=name,
            best_s=min(taken),
            median_s=statistics.median(taken),
            cpu_s=min(worked[name]),
            speedup=min(seconds[first]) / min(taken),
            cpu_speedup=min(worked[first]) / min(worked[name]),
            error=float((pictures[name] - wanted).square().mean().sqrt() / wanted.std()),
        )
        for name, taken in seconds.items()
    ]
