"""Training of a judging network on pairs, resumable to the same result, and its scores."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from deephide.errors import CheckpointError, OutputError
from deephide.lab.neural.architectures import build
from deephide.lab.neural.weights import load_into, read_state
from deephide.output import write_atomically

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Pairs", "Training", "device_of", "fit", "scores"]

Plane: TypeAlias = NDArray[np.uint8]
Pairs: TypeAlias = Sequence[tuple[Plane, Plane]]

_VERSION = 3  # raised when the same settings train another network
_CHECKS = 20  # of the network on pairs that it does not learn from, each with a snapshot
_SHORTEST, _LONGEST = 8, 500  # steps between two checks


@dataclass(frozen=True)
class Training:
    """How long networks learn, and where.

    Parameters
    ----------
    steps : for each condition; 0 judges with the weights as they are
    pairs : of a cover and its stego in one step; eight and sixteen in the papers
    crop : samples on a side of the parts that are learnt from; whole images are judged
    device : of torch, or "auto": a GPU where there is one
    weights : of an earlier training, to start from, or its snapshot
    """

    steps: int = 20_000
    pairs: int = 8
    crop: int = 256
    device: str = "auto"
    weights: Path | None = None


@dataclass(frozen=True)
class _Recipe:
    """The authors' choices: `drops` are the parts of all steps after which the rate falls."""

    rate: float
    decay: float
    drops: tuple[float, ...]

    def rate_at(self, part: float) -> float:
        """Learning rate when this part of all steps is done."""
        return self.rate * 0.1 ** sum(part >= each for each in self.drops)


_RECIPES = {
    # Boroumand et al. 2019, Sec. III: 400,000 steps, then 100,000 at a tenth of the rate.
    "srnet": _Recipe(1e-3, 2e-4, (0.8,)),
    # Yedroudj et al. 2018, Sec. 3: a tenth of the rate every tenth of the training.  Their solver
    # plans 450,000 steps and falls every 40,500, but the network that they publish is of step
    # 150,000: the training ends there, so that not most of it is at rates that teach nothing.
    "yedroudj": _Recipe(1e-2, 1e-4, (0.27, 0.54, 0.81)),
}
_MOMENTUM = 0.95  # of Yedroudj-Net


def device_of(name: str) -> torch.device:
    """Return the device of a name, or with "auto" a GPU where there is one.

    Parameters
    ----------
    name : of torch, or "auto"

    Raises
    ------
    e2style.ConfigError : it cannot be used here
    """
    import torch

    from e2style.devices import usable

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return usable(name)


def _optimizer(name: str, network: nn.Module) -> torch.optim.Optimizer:
    import torch

    recipe = _RECIPES[name]
    learnt = [each for each in network.parameters() if each.requires_grad]
    if name == "srnet":
        return torch.optim.Adamax(learnt, recipe.rate, weight_decay=recipe.decay)
    return torch.optim.SGD(learnt, recipe.rate, momentum=_MOMENTUM, weight_decay=recipe.decay)


def fit(
    name: str,
    learnt: Pairs,
    checked: Pairs,
    options: Training,
    seed: int,
    snapshot: Path,
    *,
    start: nn.Module | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> nn.Module:
    """Train a network, and return it as it was when it judged the checked pairs best.

    A cover and its stego are always in one step, with the same crop, turn and reflection. A
    stopped training goes on from its snapshot and ends with the same network, on the same kind of
    processor.

    Parameters
    ----------
    name : of ARCHITECTURES
    learnt : pairs to learn from
    checked : pairs that decide which network is kept
    options : how long and where
    seed : of first weights, choice of pairs, crops and turns
    snapshot : file of the training so far, written at every check
    start : network to go on from, as a curriculum does; else weights of the options, else random
    progress : called with (steps done, steps in all)

    Returns
    -------
    network : in evaluation mode

    Raises
    ------
    CheckpointError : weights or snapshot cannot be used
    OutputError : the snapshot is of another training
    """
    import torch

    device = device_of(options.device)
    network = build(name, seed)
    if start is not None:
        network.load_state_dict(start.state_dict())
    elif options.weights is not None:
        load_into(network, options.weights)
    settings = {
        "version": _VERSION,
        "network": name,
        "steps": options.steps,
        "pairs": options.pairs,
        "crop": options.crop,
        "seed": seed,
        "start": _digest(network),
        "images": [len(learnt), len(checked)],
    }
    _place(network, device)
    if options.steps == 0:
        return network.eval()
    optimizer = _optimizer(name, network)
    done, best = 0, (float("inf"), _copied(network))
    if snapshot.exists():
        done, best = _resume(snapshot, settings, network, optimizer)
    every = min(max(options.steps // _CHECKS, _SHORTEST), _LONGEST)
    recipe = _RECIPES[name]
    with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True):
        for step in range(done, options.steps):
            for group in optimizer.param_groups:
                group["lr"] = recipe.rate_at(step / options.steps)
            _step(network.train(), optimizer, _batch(learnt, options, seed, step), device)
            if (step + 1) % every == 0 or step + 1 == options.steps:
                loss = _loss(network, checked, device)
                if loss < best[0]:
                    best = loss, _copied(network)
                _save(snapshot, settings, step + 1, network, optimizer, best)
            if progress:
                progress(step + 1, options.steps)
    network.load_state_dict(best[1])
    return network.eval()


def _place(network: nn.Module, device: torch.device) -> None:
    """Move a network; on a processor channels lie side by side, which takes 0.6 of the time."""
    import torch

    plain = device.type != "cpu"
    layout = torch.contiguous_format if plain else torch.channels_last
    network.to(device=device, memory_format=layout)  # type: ignore[call-overload]


def _step(
    network: nn.Module, optimizer: torch.optim.Optimizer, batch: Tensor, device: torch.device
) -> None:
    import torch

    labels = torch.arange(len(batch), device=device) % 2
    loss = torch.nn.functional.cross_entropy(network(batch.to(device)), labels)
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _batch(pairs: Pairs, options: Training, seed: int, step: int) -> Tensor:
    """Return B 1 H W, covers at even places, each before its stego."""
    import torch

    rng = np.random.default_rng((seed, step))
    chosen = rng.choice(len(pairs), options.pairs, replace=len(pairs) < options.pairs)
    read = [pairs[int(index)] for index in chosen]
    side = min(options.crop, *(length for cover, _ in read for length in cover.shape))
    found = []
    for both in read:
        height, width = both[0].shape
        top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        for plane in both:
            part = np.rot90(plane[top : top + side, left : left + side], turns)
            found.append(part[:, ::-1] if mirrored else part)
    return torch.from_numpy(np.stack(found)[:, None].astype(np.float32))


def _loss(network: nn.Module, pairs: Pairs, device: torch.device) -> float:
    """Return the mean cross entropy, of which a few images say more than of errors."""
    total = 0.0
    for cover, stego in pairs:
        one, two = scores(network, (cover, stego), device)
        total += np.logaddexp(0, one) + np.logaddexp(0, -two)
    return float(total / (2 * len(pairs)))


def scores(
    network: nn.Module, planes: Sequence[Plane], device: torch.device
) -> NDArray[np.float64]:
    """Return how much more a network takes each image for a stego than for a cover.

    Parameters
    ----------
    network : of `build`; left in evaluation mode
    planes : (H, W) uint8 each, of any size
    device : of the network

    Returns
    -------
    scores : (n,) float64; above 0 a stego is more likely
    """
    import torch

    network.eval()
    found = []
    with torch.inference_mode():
        for plane in planes:
            image = torch.from_numpy(plane.astype(np.float32))[None, None]
            cover, stego = network(image.to(device))[0].double().tolist()
            found.append(stego - cover)
    return np.array(found)


def _copied(network: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach().cpu().clone() for name, each in network.state_dict().items()}


def _digest(network: nn.Module) -> str:
    known = hashlib.sha256()
    for name, each in network.state_dict().items():
        known.update(name.encode() + each.cpu().numpy().tobytes())
    return known.hexdigest()


def _save(
    path: Path,
    settings: dict[str, Any],
    step: int,
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    best: tuple[float, dict[str, Tensor]],
) -> None:
    import torch

    state = {
        "settings": json.dumps(settings),
        "step": step,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "best_loss": best[0],
        "best": best[1],
    }
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, buffer.getvalue(), force=True)


def _resume(
    path: Path, settings: dict[str, Any], network: nn.Module, optimizer: torch.optim.Optimizer
) -> tuple[int, tuple[float, dict[str, Tensor]]]:
    """Fill network and optimizer; return the steps done, and the best network with its loss."""
    state = read_state(path)
    try:
        found = json.loads(state["settings"])
        if found != settings:
            other = ", ".join(key for key in settings if found.get(key) != settings[key])
            raise OutputError(
                f"the snapshot {path} is of a training with other settings: {other}",
                hint="choose another folder with -o, or the same settings",
            )
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"]), (float(state["best_loss"]), state["best"])
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            f"the snapshot {path} is of no training", hint="delete it to begin anew"
        ) from error
