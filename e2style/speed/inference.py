"""Speed of inversion and synthesis, against the straightforward implementation.

All variants share one set of random weights, which do not matter to speed, and run in turns in
one process; the best of several rounds counts, since other programs only ever slow one down. Their
memory is measured afterwards, in a process for each.
"""

from __future__ import annotations

import copy
import dataclasses
import itertools
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

import torch
from torch import Tensor

from e2style.config import InversionConfig
from e2style.devices import usable, wait
from e2style.errors import E2StyleError
from e2style.models.inversion import InversionNetwork
from e2style.models.reference import ReferenceInversion

SEED = 0
# Seconds that Table I gives for one to three stages, on a GeForce RTX 3090.
PAPER_SECONDS = {1: 0.04, 2: 0.09, 3: 0.13}

P = ParamSpec("P")
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Timing:
    """One variant.

    Attributes
    ----------
    name : what ran
    best_s, median_s : seconds an image
    cpu_s : least processor time of an image, summed over threads; other programs on the
        machine do not stretch it
    images_per_s : images in a second of the best round
    memory_mib : peak of a process that runs nothing else: of resident memory, the program itself
        included, or on a GPU of what tensors took there
    speedup : best of the reference over best of this
    cpu_speedup : the same of processor time
    error : rms difference from the reference's image over the standard deviation of that
    """

    name: str
    best_s: float
    median_s: float
    cpu_s: float
    images_per_s: float
    memory_mib: int
    speedup: float
    cpu_speedup: float
    error: float


def random_network(config: InversionConfig, seed: int = SEED) -> InversionNetwork:
    """Network with seeded weights, whose images have about the contrast of real ones."""
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
    batch : images at a time
    threads : 0 leaves torch's own choice
    device : torch device
    compiled : add variants of ours through `torch.compile`, which needs a compiler
    progress : called with (done, total) runs

    Raises
    ------
    ConfigError : no such device
    E2StyleError : a process that measured memory died
    """
    where = usable(device)
    if threads:
        torch.set_num_threads(threads)
    variants = _variants(config, batch, where, compiled)
    total = (rounds + 2) * len(variants)
    counted = itertools.count(1)

    def count() -> None:
        if progress is not None:
            progress(next(counted), total)

    found = _timed(variants, rounds, batch, where, count)
    timings = []
    for timing in found:
        peak = apart(_peak, config, timing.name, batch, threads, device)
        timings.append(dataclasses.replace(timing, memory_mib=peak))
        count()
    return timings


def _variants(
    config: InversionConfig, batch: int, device: torch.device, compiled: bool
) -> dict[str, Callable[[], Tensor]]:
    network = random_network(config)
    reference = _reference(copy.deepcopy(network), batch, device)
    return reference | _ours(network, batch, device, compiled)


def _reference(
    network: InversionNetwork, batch: int, device: torch.device
) -> dict[str, Callable[[], Tensor]]:
    reference = ReferenceInversion(network).eval().to(device)
    x = _images(network.config, batch).to(device)

    def plain() -> Tensor:
        generated: Tensor = reference.generator(reference.invert(x))
        return generated

    return {"reference fp32": plain}


def _ours(
    network: InversionNetwork, batch: int, device: torch.device, compiled: bool
) -> dict[str, Callable[[], Tensor]]:
    ours = network.to(device).channels_last()
    x = _images(network.config, batch).to(device, memory_format=torch.channels_last)

    def quick() -> Tensor:
        return ours.synthesize(ours.invert(x))

    def half() -> Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            generated: Tensor = quick().float()
        return generated

    variants = {"e2style fp32": quick, "e2style bf16": half}
    if compiled:
        variants["e2style fp32 compiled"] = torch.compile(quick)
        variants["e2style bf16 compiled"] = torch.compile(half)
    return variants


def _images(config: InversionConfig, batch: int) -> Tensor:
    side = config.encoder.image_size
    source = torch.Generator().manual_seed(SEED)
    return torch.rand(batch, config.encoder.in_channels, side, side, generator=source) * 2 - 1


@torch.inference_mode()
def _peak(config: InversionConfig, name: str, batch: int, threads: int, device: str) -> int:
    if threads:
        torch.set_num_threads(threads)
    where = torch.device(device)
    network = random_network(config)
    if name.startswith("reference"):
        _reference(network, batch, where)[name]()
    else:
        _ours(network, batch, where, "compiled" in name)[name]()
    return peak_mib(where)


def apart(function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Call a function of a module in a process of its own.

    Raises
    ------
    E2StyleError : the process died
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, *arguments, **named).result()
        except BrokenProcessPool as error:
            raise E2StyleError("benchmark: a process died; was there enough memory?") from error


def peak_mib(device: torch.device) -> int:
    """Peak of memory so far in MiB: of tensors on a GPU, else of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) >> 20
    try:  # what getrusage says may be the peak of the process that started this one
        lines = Path("/proc/self/status").read_text("ascii", "replace").splitlines()
        return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        unit = 20 if sys.platform == "darwin" else 10  # bytes, KiB elsewhere
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> unit


@torch.inference_mode()
def _timed(
    variants: dict[str, Callable[[], Tensor]],
    rounds: int,
    batch: int,
    device: torch.device,
    count: Callable[[], None],
) -> list[Timing]:
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    worked: dict[str, list[float]] = {name: [] for name in variants}
    images: dict[str, Tensor] = {}
    for turn in range(rounds + 1):
        for name, run in variants.items():
            start, worked_before = time.perf_counter(), time.process_time()
            images[name] = run()
            wait(device)
            if turn:
                seconds[name].append((time.perf_counter() - start) / batch)
                worked[name].append((time.process_time() - worked_before) / batch)
            count()
    first = next(iter(variants))
    wanted = images[first]
    return [
        Timing(
            name=name,
            best_s=min(taken),
            median_s=statistics.median(taken),
            cpu_s=min(worked[name]),
            images_per_s=1 / min(taken),
            memory_mib=0,  # see `_peak`
            speedup=min(seconds[first]) / min(taken),
            cpu_speedup=min(worked[first]) / min(worked[name]),
            error=float((images[name] - wanted).square().mean().sqrt() / wanted.std()),
        )
        for name, taken in seconds.items()
    ]
