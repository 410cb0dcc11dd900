r"""Figures that only a GPU can give, in at most eight minutes, for the day that one is at hand.

    python benchmarks/cuda_check.py
    python benchmarks/cuda_check.py --device cpu --size 64

Random weights of the paper's sizes: what is measured is speed, memory and agreement, not quality.
Every figure has a line; a part that fails, or for which no time is left, says so in its place.
The second command tries the script itself on a machine without a GPU, where lines that need one
say so.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.devices import exact, wait
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.metrics.distributions import FeatureDistances
from e2style.model import InversionModel
from e2style.models import ops
from e2style.models.inception import Inception
from e2style.models.inversion import InversionNetwork
from e2style.models.irse50 import IRSE50
from e2style.training.noise import normal
from e2style.training.stage import StageObjective
from e2style.training.work import Terms

PAPER = {1: 0.04, 2: 0.09, 3: 0.13}  # seconds on a GeForce RTX 3090 (Table I)
LIMIT = 480.0
TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
Lines = Iterator[tuple[str, str]]


class Check:
    """Networks and the device that they are tried on."""

    def __init__(self, device: str, size: int) -> None:
        self.device = torch.device(device)
        self.size = size
        rows = GeneratorConfig(size).n_codes
        self.generator = GeneratorConfig(size, channel_base=min(32768, 64 * size))
        deep, middle = rows // 2, (rows + 2) // 4
        self.side = min(size, 256)
        self.encoder = EncoderConfig(
            image_size=self.side, split=(rows - deep - middle, middle, deep)
        )

    def network(self, stages: int = 1) -> InversionNetwork:
        """Network of so many stages, the same weights whatever the device."""
        torch.manual_seed(0)
        config = InversionConfig("check", self.generator, self.encoder, stages)
        network = InversionNetwork(config).eval().requires_grad_(False)
        network.generator.seed_noise(0)
        for name, value in network.generator.named_parameters():
            if name.endswith("noise_gain"):
                value.fill_(0.05)
        return network

    def images(self, count: int = 1) -> Tensor:
        """Images B 3 S S on the CPU."""
        source = torch.Generator().manual_seed(1)
        small = torch.rand(count, 3, 16, 16, generator=source) * 2 - 1
        return F.interpolate(small, (self.side, self.side), mode="bicubic").clamp(-1, 1)

    def seconds(self, work: Callable[[], object], runs: int = 10) -> float:
        """Median of some runs behind two that warm up, each waited for."""
        times = []
        for turn in range(runs + 2):
            wait(self.device)
            start = time.perf_counter()
            work()
            wait(self.device)
            if turn > 1:
                times.append(time.perf_counter() - start)
        return statistics.median(times)


def machine(check: Check) -> Lines:
    """What it runs on."""
    name = "CPU"
    if check.device.type == "cuda":
        name = torch.cuda.get_device_name(check.device)
    yield "device", f"{name}, torch {torch.__version__}"
    yield "devices in all", str(torch.cuda.device_count())


@torch.no_grad()
def agreement(check: Check) -> Lines:
    """Codes, images and integers of the device against those of the CPU, with and without TF32."""
    images = check.images(2)
    here = InversionModel(check.network(2), fingerprint=bytes(32))
    there = InversionModel(check.network(2), fingerprint=bytes(32), device=str(check.device))
    wanted = here.invert(images)
    faces = here.synthesize(wanted)
    got = there.invert(images).cpu()
    yield "codes, largest difference over largest value", _relative(got, wanted)
    yield "images, the same", _relative(there.synthesize(wanted).cpu(), faces)
    step = float(wanted.std()) / 3
    different = int(((got / step).round() != (wanted / step).round()).sum())
    yield "integers that differ", f"{different} of {wanted.numel()}"
    loose = there.network
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    codes = loose.invert(images.to(check.device)).cpu()
    yield "codes with TF32", _relative(codes, wanted)
    yield "images with TF32", _relative(loose.synthesize(wanted.to(check.device)).cpu(), faces)
    torch.backends.cuda.matmul.allow_tf32 = False
    places = torch.arange(4)
    drawn = normal(places.to(check.device), (1, 64, 64), seed=3).cpu()
    difference = float((drawn - normal(places, (1, 64, 64), seed=3)).abs().max())
    yield "noise, largest difference", f"{difference:.1e}"


def _relative(got: Tensor, wanted: Tensor) -> str:
    return f"{float((got - wanted).abs().max() / wanted.abs().max()):.1e}"


@torch.no_grad()
def runtimes(check: Check) -> Lines:
    """Seconds of one image, as Table I has them, by type, and peak memory."""
    image = check.images().to(check.device)
    for stages, paper in PAPER.items():
        network = check.network(stages).to(check.device).channels_last()
        for name, dtype in TYPES.items():

            def work(network: InversionNetwork = network, dtype: torch.dtype = dtype) -> Tensor:
                with torch.autocast(check.device.type, dtype, dtype != torch.float32):
                    return network.synthesize(network.invert(image).float())

            if check.device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(check.device)
            said = f"{check.seconds(work):.4f} s (paper {paper} s on an RTX 3090)"
            if check.device.type == "cuda":
                said += f", {torch.cuda.max_memory_allocated(check.device) / 2**20:.0f} MiB"
            yield f"{stages} stages and image, {name}", said


@torch.no_grad()
def upsampling(check: Check) -> Lines:
    """Both forms of the upsampling convolution: multiplications, and seconds on the device."""
    network = check.network().to(check.device).channels_last()
    codes = network.w_avg[None].repeat(4, 1, 1) + 1
    own = ops.polyphase_is_quicker
    try:
        for name, quicker in (("polyphase", True), ("transposed and blur", False)):
            ops.polyphase_is_quicker = lambda _, q=quicker: q
            with FlopCounterMode(display=False) as counter:
                network.generator(codes)
            flops = counter.get_total_flops() / len(codes) / 1e9
            seconds = check.seconds(lambda: network.generator(codes)) / len(codes)
            yield f"generator, {name}", f"{flops:.0f} GFLOP, {seconds:.4f} s an image in fours"
    finally:
        ops.polyphase_is_quicker = own


@torch.no_grad()
def capture(check: Check) -> Lines:
    """Synthesis as a CUDA graph, and through torch.compile: agreement and seconds."""
    network = check.network().to(check.device).channels_last()
    codes = network.w_avg[None] + torch.randn(
        network.w_avg.shape, generator=torch.Generator().manual_seed(0)
    ).to(check.device)
    wanted = network.generator(codes)
    if check.device.type == "cuda":
        graph = torch.cuda.CUDAGraph()
        side = torch.cuda.Stream()
        with torch.cuda.stream(side):
            network.generator(codes)
        torch.cuda.current_stream().wait_stream(side)
        with torch.cuda.graph(graph):
            found = network.generator(codes)
        graph.replay()
        wait(check.device)
        seconds = check.seconds(graph.replay)
        yield "CUDA graph", f"{_relative(found.cpu(), wanted.cpu())}, {seconds:.4f} s"
    else:
        yield "CUDA graph", "needs a GPU"
        yield "torch.compile", "tried on a GPU only"
        return
    for name, dtype in TYPES.items():
        compiled = torch.compile(network.generator)

        def work(compiled: Callable[..., Tensor] = compiled, dtype: torch.dtype = dtype) -> Tensor:
            with torch.autocast(check.device.type, dtype, dtype != torch.float32):
                return compiled(codes)

        found = work()
        finite = bool(torch.isfinite(found).all())
        said = f"finite: {finite}, {_relative(found.float().cpu(), wanted.cpu())}"
        yield f"torch.compile, {name}", f"{said}, {check.seconds(work):.4f} s"


def gradients(check: Check) -> Lines:
    """Direction of the identity loss's gradient near convergence, by type, against float32."""
    torch.manual_seed(0)
    network = IRSE50().eval().requires_grad_(False).to(check.device)
    loss = MultiLayerCosineLoss(network)
    target = F.interpolate(check.images(), (256, 256)).to(check.device)
    noise = torch.randn(target.shape, generator=torch.Generator().manual_seed(2))
    start = (target + 0.01 * noise.to(check.device)).detach()
    found = {}
    for name, dtype in TYPES.items():
        x = start.clone().requires_grad_()
        with (
            exact(check.device),
            torch.autocast(check.device.type, dtype, dtype != torch.float32),
        ):
            value = loss(x, target)
        (found[name],) = torch.autograd.grad(value, x)
    for name in ("bf16", "fp16"):
        cosine = F.cosine_similarity(found[name].flatten(), found["fp32"].flatten(), 0)
        yield f"identity gradient under autocast, {name}", f"cosine {float(cosine):.3f} with fp32"


def training(check: Check) -> Lines:
    """A step of stage 1 with identity loss, batch 4: images in a second, and waits for values."""
    network = check.network()
    network.encoders[-1].requires_grad_(True)
    torch.manual_seed(0)
    recogniser = IRSE50().eval().requires_grad_(False)
    terms = Terms({"identity": MultiLayerCosineLoss(recogniser)}, exact=True)
    objective = StageObjective(network, terms, noise="random").to(check.device).train()
    images = check.images(4).to(check.device)
    places = torch.arange(4, device=check.device)
    for name, dtype in TYPES.items():
        if name == "fp16":
            continue  # needs a scaler, and is what nobody should train with

        def step(dtype: torch.dtype = dtype) -> None:
            with torch.autocast(check.device.type, dtype, dtype != torch.float32):
                value = objective(images, images, places)["identity"]
            value.backward()
            objective.zero_grad(set_to_none=True)

        yield f"training step, {name}", f"{4 / check.seconds(step, 4):.2f} images/s"
    if check.device.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
        try:
            step()
            said = "none"
        except RuntimeError as error:
            said = str(error).splitlines()[0]
        finally:
            torch.cuda.set_sync_debug_mode("default")
        yield "synchronisations in a step", said
    else:
        yield "synchronisations in a step", "needs a GPU"


@torch.no_grad()
def evaluation(check: Check) -> Lines:
    """Distances of sets with Inception on the device: what failed before."""
    torch.manual_seed(0)
    distance = FeatureDistances(Inception().eval().to(check.device))
    rng = np.random.default_rng(0)
    for _ in range(2):
        pair = (torch.from_numpy(rng.integers(0, 256, (4, 3, 64, 64), np.uint8)) for _ in "ab")
        distance.add(*pair)
    yield "Fréchet distance on the device", f"{distance.frechet():.3f} (random weights)"


def processes(check: Check) -> Lines:
    """Two GPUs by torchrun, NCCL: one all-reduce, as training has it."""
    if check.device.type != "cuda" or torch.cuda.device_count() < 2:
        yield "two processes, NCCL", "needs two GPUs"
        return
    code = (
        "import os, torch, torch.distributed as d;"
        "r = int(os.environ['LOCAL_RANK']); torch.cuda.set_device(r);"
        "d.init_process_group('nccl', device_id=torch.device('cuda', r));"
        "x = torch.ones(1, device='cuda'); d.all_reduce(x); assert x.item() == 2;"
        "d.destroy_process_group()"
    )
    file = Path(os.environ.get("TMPDIR", "/tmp")) / f"nccl-{os.getpid()}.py"
    file.write_text(code)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "torch.distributed.run", "--standalone",
         "--nproc_per_node", "2", str(file)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    file.unlink()
    yield "two processes, NCCL", "sums agree" if not done.returncode else done.stderr[-200:]


PARTS = (
    machine, agreement, evaluation, runtimes, upsampling, gradients, training, capture, processes,
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--size", type=int, default=1024, help="side of the generator")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds in all")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    check, began, found = Check(options.device, options.size), time.monotonic(), {}
    for part in PARTS:
        print(f"# {part.__doc__}", flush=True)
        if time.monotonic() - began > 0.8 * options.limit:
            found[part.__name__] = "no time was left"
            print(f"{part.__name__}: no time was left")
            continue
        try:
            for name, value in part(check):
                found[name] = value
                print(f"{name}: {value}", flush=True)
        except Exception as error:  # the other figures are wanted all the same
            found[part.__name__] = f"failed: {type(error).__name__}: {error}"
            print(f"{part.__name__}: {found[part.__name__]}", flush=True)
    print(f"{time.monotonic() - began:.0f} s in all")
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
