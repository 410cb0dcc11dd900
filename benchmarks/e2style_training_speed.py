"""Measure a training step of stage 1 against the straightforward implementation, in one run.

    PYTHONPATH=. python benchmarks/e2style_training_speed.py [--size 1024] [--batch 1] [--json PATH]

A step is everything between two batches: forward through encoder, frozen generator and the four
losses of eq. 6, backward, Ranger. The reference is `e2style.models.reference` with the losses as
the released code runs them (the parser's expanding half included), NCHW, float32. Ours is the step
of `e2style train`. Networks have random weights, which does not matter to speed. Each variant runs
in a process of its own, in turns; times are the best of `--repeat` after one warm-up. Beside the
time on the clock stands that of the CPU, which other programs on the machine do not stretch.
"""

import argparse
import json
import multiprocessing
import platform
import resource
import subprocess
import time
from pathlib import Path

import torch
import torch.nn.functional as F

from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.perceptual import PerceptualLoss, PixelLoss
from e2style.models.alexnet import LPIPS, AlexNet, LPIPSHeads
from e2style.models.inversion import InversionNetwork
from e2style.models.irse50 import IRSE50
from e2style.models.parsing_unet import ParsingUNet
from e2style.models.reference import ReferenceInversion
from e2style.training.optim import ranger
from e2style.training.stage import StageObjective
from e2style.training.work import Terms

WEIGHTS = {"l2": 1.0, "lpips": 0.8, "identity": 0.5, "parsing": 1.0}


def build(size):
    """Return a stage 1 with pools 7/7/7 and the networks of its losses, from one seed."""
    torch.manual_seed(0)
    generator = GeneratorConfig(size=size)
    deep, middle = generator.n_codes // 2, (generator.n_codes + 2) // 4
    split = (generator.n_codes - deep - middle, middle, deep)
    network = InversionNetwork(
        InversionConfig(generator=generator, encoder=EncoderConfig(pools=(7, 7, 7), split=split))
    )
    network.generator.seed_noise(0)
    nets = {"lpips": LPIPS(AlexNet(), LPIPSHeads()), "identity": IRSE50(), "parsing": ParsingUNet()}
    for net in (*nets.values(), network.generator):
        net.requires_grad_(False).eval()
    return network, nets


def cosine_sum(features, painted, target):
    """Sum of 1 - cosine over levels, as the released losses write it."""
    total = 0
    for got, wanted in zip(features(painted), features(target), strict=True):
        cosine = F.cosine_similarity(got.flatten(1), wanted.detach().flatten(1))
        total = total + (1 - cosine).mean()
    return total


def parse_whole(net, pictures):
    """Levels of the parser, whose expanding half runs for nothing."""
    with torch.no_grad():
        net.parse(pictures)
    return net(pictures)


class Reference:
    """The straightforward step."""

    def __init__(self, size, device):
        network, self.nets = build(size)
        self.model = ReferenceInversion(network).to(device)
        for net in self.nets.values():
            net.to(device)
        trained = [*self.model.encoders.parameters(), *self.model.never_run.parameters()]
        self.optimizer = ranger(trained, 1e-4)

    def losses(self, x, noise):
        """Forward."""
        painted = self.model.pool(self.model.generator(self.model.invert(x), random_noise=noise))
        return {
            "l2": F.mse_loss(painted, x),
            "lpips": self.nets["lpips"](painted, x).mean(),
            "identity": cosine_sum(self.nets["identity"], painted, x),
            "parsing": cosine_sum(lambda p: parse_whole(self.nets["parsing"], p), painted, x),
        }

    def step(self, x):
        """Forward, backward, update."""
        self.optimizer.zero_grad()
        terms = self.losses(x, True)
        sum(WEIGHTS[name] * value for name, value in terms.items()).backward()
        self.optimizer.step()


class Ours:
    """The step of `e2style train`."""

    def __init__(self, size, device, dtype, *, compiled=False):
        network, nets = build(size)
        losses = {"l2": PixelLoss(), "lpips": PerceptualLoss(nets["lpips"])}
        losses |= {k: MultiLayerCosineLoss(nets[k]) for k in ("identity", "parsing")}
        network.channels_last().to(device)
        if compiled:
            network.encoders[-1].compile()
            network.generator.compile()
        terms = Terms(losses).to(device, memory_format=torch.channels_last)
        self.model = StageObjective(network, terms, noise="random")
        self.optimizer = ranger([*network.encoders.parameters()], 1e-4)
        self.device, self.dtype = torch.device(device), dtype

    def losses(self, x, train):
        """Forward."""
        self.model.train(train)
        x = x.contiguous(memory_format=torch.channels_last)
        enabled = self.dtype != torch.float32
        with torch.autocast(self.device.type, self.dtype, enabled):
            return self.model(x, x, torch.arange(len(x)))

    def step(self, x):
        """Forward, backward, update."""
        self.optimizer.zero_grad(set_to_none=True)
        terms = self.losses(x, train=True)
        sum(WEIGHTS[name] * value for name, value in terms.items()).backward()
        self.optimizer.step()


VARIANTS = ("reference", "ours fp32", "ours bf16")


def measure(variant, arguments, queue):
    """Put the best seconds of a step, the first losses and the peak memory on the queue."""
    device = arguments.device
    if variant == "reference":
        run = Reference(arguments.size, device)
    else:
        dtype = torch.bfloat16 if "bf16" in variant else torch.float32
        run = Ours(arguments.size, device, dtype, compiled="compiled" in variant)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(arguments.batch, 3, 256, 256, generator=generator).mul(2).sub(1).to(device)
    with torch.no_grad():  # eval mode and stored noise: what must be equal
        if variant == "reference":
            run.model.eval()
        terms = {name: float(value) for name, value in run.losses(x, False).items()}
        if variant == "reference":
            run.model.train()
    times = []
    for _ in range(arguments.repeat + 1):
        _wait(device)
        start, used = time.perf_counter(), time.process_time()
        run.step(x)
        _wait(device)
        times.append((time.perf_counter() - start, time.process_time() - used))
    if device == "cuda":
        memory = torch.cuda.max_memory_allocated() / 2**20
    else:
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wall, cpu = (min(column) for column in zip(*times[1:], strict=True))
    found = {"seconds": wall, "cpu_seconds": cpu, "terms": terms, "memory_mib": round(memory)}
    queue.put(found)


def _wait(device):
    if device == "cuda":
        torch.cuda.synchronize()


def machine():
    """Return commit, CPU and versions."""
    root = Path(__file__).resolve().parent
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=root, capture_output=True, text=True, check=False,
    ).stdout.strip()  # fmt: skip
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "commit": commit,
        "cpu": names[0] if names else platform.processor(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024, help="side of the generator")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=2, help="timed steps in each turn")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--json", metavar="PATH")
    arguments = parser.parse_args()
    variants = VARIANTS + (("ours bf16 compiled",) if arguments.compile else ())
    context = multiprocessing.get_context("spawn")
    best = {}
    for _ in range(arguments.turns):
        for variant in variants:
            queue = context.Queue()
            process = context.Process(target=measure, args=(variant, arguments, queue))
            process.start()
            found = queue.get(timeout=1800)
            process.join()
            kept = best.setdefault(variant, found)
            for key in ("seconds", "cpu_seconds"):
                kept[key] = min(kept[key], found[key])
    wanted = best["reference"]
    head = f"{'variant':<20} {'s/step':>8} {'ratio':>6} {'CPU s':>8} {'ratio':>6} {'MiB':>7}"
    print(f"{head}  largest error of a loss term")
    for variant, found in best.items():
        errors = [abs(found["terms"][k] / v - 1) for k, v in wanted["terms"].items()]
        found["ratio"] = wanted["seconds"] / found["seconds"]
        found["cpu_ratio"] = wanted["cpu_seconds"] / found["cpu_seconds"]
        found["error"] = max(errors)
        print(
            f"{variant:<20} {found['seconds']:8.2f} {found['ratio']:6.2f} "
            f"{found['cpu_seconds']:8.2f} {found['cpu_ratio']:6.2f} "
            f"{found['memory_mib']:7d}  {found['error']:.1e}"
        )
    if arguments.json:
        settings = {k: v for k, v in vars(arguments).items() if k != "json"}
        content = {"machine": machine(), "settings": settings, "variants": best}
        Path(arguments.json).write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
