"""The training loop, one function read from top to bottom."""

from __future__ import annotations

import copy
import json
import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from e2style.config import TrainConfig, to_dict
from e2style.data.faces import FaceSet
from e2style.errors import ConfigError
from e2style.losses.features import MobileFaceNet, ParsingEncoder, load_state
from e2style.losses.multilayer import MultiLayerCosineLoss
from e2style.losses.rate import RateModel
from e2style.models.inversion import InversionNetwork
from e2style.training.optim import learning_rate, make_optimizer, update_average
from e2style.training.runlog import RunLog
from e2style.training.state import TrainingState, load_weights

log = logging.getLogger(__name__)

# Settings that may differ when a run goes on. All but `images`, which stretches the schedule of
# the rate, leave its course as it was, up to the order of sums on other threads or devices.
FREE_KEYS = {"images", "threads", "device", "snapshot_images", "report_images"}


class CodedInversion(nn.Module):
    """An inversion network with the density of its codes, trained as one.

    Parameters
    ----------
    network : InversionNetwork
    """

    def __init__(self, network: InversionNetwork) -> None:
        super().__init__()
        self.network = network
        generator = network.config.generator
        self.rate = RateModel(generator.n_codes, generator.style_dim)

    def forward(self, x: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Pictures B 3 S S -> painted pictures B 3 side side, bits per picture B."""
        offsets = self.network.invert(x) - self.network.w_avg
        noisy = self.rate.perturb(offsets)
        return self.network.synthesize(self.network.w_avg + noisy, side), self.rate.bits(noisy)


def train(  # noqa: PLR0915  flat on purpose: read from top to bottom
    config: TrainConfig, run: Path, *, progress: Callable[[int, int], None] | None = None
) -> Path:
    """Train one phase; running it again on the same folder goes on where it stopped.

    Parameters
    ----------
    config : TrainConfig
    run : run folder: config.json, stats.jsonl, samples-*.png, state-*.pt
    progress : called with (images seen, images in all)

    Returns
    -------
    The last snapshot.

    Raises
    ------
    ConfigError : the folder holds a run of another config
    CheckpointError, DataError : inputs cannot be used
    """
    run.mkdir(parents=True, exist_ok=True)
    _claim(config, run)
    if config.threads:
        torch.set_num_threads(config.threads)
    device = torch.device(config.device)

    # Data: everything decoded once.
    side = config.side or config.model.generator.size
    faces = FaceSet(config.data, config.model.encoder.image_size)
    log.info("%d pictures, %d skipped", len(faces), len(faces.skipped))
    weights = faces.weights(balance=config.balance)
    probe = (
        FaceSet(config.validation, config.model.encoder.image_size) if config.validation else None
    )

    # Networks; the initial weights come from the seed alone.
    torch.manual_seed(config.seed)
    network = InversionNetwork(config.model).channels_last()
    network.generator.seed_noise(config.seed)
    model = CodedInversion(network)
    inherited = load_weights(model, Path(config.init)) if config.init else 0
    network.generator.requires_grad_(config.train_generator)
    model.to(device)
    average = copy.deepcopy(model).requires_grad_(False).eval()
    losses = _feature_losses(config)

    # State: a fresh start or the newest snapshot.
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = make_optimizer(config, model)
    state = TrainingState(run, {"model": model, "average": average, "optimizer": optimizer})
    state.inherited = inherited
    state.resume()
    stats = RunLog(run, state.images)
    began, first = time.monotonic(), state.images

    while state.images < config.images:
        # Every step draws from (seed, images seen), so a resumed run matches.
        torch.manual_seed(config.seed * 1_000_003 + state.images)
        chosen = torch.multinomial(weights, config.batch)
        x = faces.batch(chosen, torch.rand(config.batch) < 0.5).to(device)
        target = x if side == x.shape[-1] else F.interpolate(x, (side, side), mode="area")

        # Forward: paint from the perturbed code, then price errors and bits.
        model.train()
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            painted, bits = model(x, side)
            terms = {"l2": F.mse_loss(painted, target), "rate": bits.mean()}
            for name, (loss, samples) in losses.items():
                terms[name] = loss(painted[:samples], target[:samples])
        total = torch.stack([getattr(config.loss, k) * v for k, v in terms.items()]).sum()

        # Backward and update.
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(config, state.images)
        optimizer.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(parameters, config.clip)
        optimizer.step()
        state.images += config.batch
        update_average(average, model, config, state.images)
        terms |= {"total": total, "norm": norm}
        stats.add(**{name: value.item() for name, value in terms.items()})
        if not math.isfinite(norm):
            raise ConfigError(f"training diverged after {state.images} images; try a lower lr")

        # Report, save, show.
        if progress:
            progress(state.images, config.images)
        if _passed(state.images, config.report_images, config.batch):
            rate = (state.images - first) / (time.monotonic() - began)
            log.info("%s", stats.report(state.images, images_per_second=rate))
        if _passed(state.images, config.snapshot_images, config.batch):
            state.save()
            _show(stats, average, probe or faces, state.images, side)
    return state.save()


def _passed(images: int, every: int, batch: int) -> bool:
    """Whether the last batch stepped over a multiple of `every`."""
    return images // every != (images - batch) // every


def _claim(config: TrainConfig, run: Path) -> None:
    """Write config.json, or check that the one there differs in nothing that matters."""
    path = run / "config.json"
    values = json.loads(json.dumps(to_dict(config)))
    if path.exists():
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except json.JSONDecodeError as error:
            raise ConfigError(f"run {run}: config.json is damaged: {error}") from error
        changed = [k for k in values if k not in FREE_KEYS and stored.get(k) != values[k]]
        if changed:
            raise ConfigError(f"run {run}: was started with another {changed[0]}; use a new folder")
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(values, indent=1), encoding="utf-8")
    os.replace(partial, path)


def _feature_losses(config: TrainConfig) -> dict[str, tuple[MultiLayerCosineLoss, int]]:
    """Feature losses in use, each with the number of samples of a batch that it looks at.

    The networks cost as much as the generator, so the identity sees half of each batch and
    the parsing a quarter; batches are drawn at random, so the gradient stays unbiased.
    """
    folder = Path(config.feature_networks)
    losses: dict[str, tuple[MultiLayerCosineLoss, int]] = {}
    if config.loss.identity:
        network = load_state(MobileFaceNet(), folder / "mobilefacenet.npz")
        losses["identity"] = (
            MultiLayerCosineLoss(network).to(config.device),
            max(config.batch // 2, 1),
        )
    if config.loss.parsing:
        network = load_state(ParsingEncoder(), folder / "face_parsing_unet.npz")
        losses["parsing"] = (
            MultiLayerCosineLoss(network).to(config.device),
            max(config.batch // 4, 1),
        )
    return losses


@torch.no_grad()
def _show(stats: RunLog, average: CodedInversion, probe: FaceSet, images: int, side: int) -> None:
    """Save input and rounded reconstruction of eight pictures, spread over the set."""
    network = average.network
    x = probe.batch(torch.linspace(0, len(probe) - 1, 8).long()).to(network.w_avg.device)
    rounded = network.w_avg + (network.invert(x) - network.w_avg).round()
    painted = network.synthesize(rounded, side)
    stats.grid(images, F.interpolate(x, (side, side), mode="area"), painted)
