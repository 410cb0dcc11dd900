"""The training loop, one function read from top to bottom."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from e2style.config import TrainConfig
from e2style.data.archive import Archive
from e2style.errors import ConfigError
from e2style.files import in_words, replacing
from e2style.settings import from_dict, to_dict
from e2style.training.kinds import work_of
from e2style.training.optim import learning_rate, make_optimizer, update_average
from e2style.training.ranks import Ranks, together
from e2style.training.runlog import RunLog
from e2style.training.state import TrainingState
from e2style.training.work import Work

log = logging.getLogger(__name__)

# Settings that may differ when a run goes on. All but `images`, which stretches the schedule of
# the rate, leave its course as it was, up to the order of sums on other threads or devices.
FREE_KEYS = {
    "images", "threads", "device", "workers", "keep", "snapshot_images", "report_images",
    "validation_images", "epochs",
}  # fmt: skip
LOOKED = 20  # batches whose numbers may wait on a device that is not the CPU
WATCHED, EXPLODED = 100, 5.0  # batches of the mean that is watched, and by how much it may grow
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}

Progress = Callable[[int, int], None]


def train(
    config: TrainConfig,
    run: Path,
    *,
    progress: Progress | None = None,
    networks: Mapping[str, nn.Module] | None = None,
) -> Path:
    """Train one phase; running it again on the same folder goes on where it stopped.

    Under `torchrun` every process calls this, and each takes its share of every batch.

    Parameters
    ----------
    config : TrainConfig
    run : run folder: config.json, stats.jsonl, samples-*.png, state-*.pt
    progress : called with (images seen, images in all)
    networks : feature networks of the losses that are at hand, by term, in place of files

    Returns
    -------
    The last snapshot.

    Raises
    ------
    ConfigError : the folder holds a run of another config, or settings contradict each other
    CheckpointError, DataError : inputs cannot be used
    """
    config = _lengthened(config)
    with together(config) as ranks:
        _check_claim(config, run)
        if config.threads:
            torch.set_num_threads(config.threads)
        work = work_of(config, ranks, networks)
        with contextlib.closing(work):
            if ranks.first:
                _claim(config, run)
            return _loop(config, run, work, ranks, progress)


def _lengthened(config: TrainConfig) -> TrainConfig:
    """Config whose `images` are those of its epochs, if it counts in epochs."""
    if not config.epochs:
        return config
    count = sum(len(Archive(path).names) for path in config.data.split(os.pathsep))
    return dataclasses.replace(config, images=config.epochs * count)


def _loop(
    config: TrainConfig,
    run: Path,
    work: Work,
    ranks: Ranks,
    progress: Progress | None,
) -> Path:
    # State: a fresh start or the newest snapshot.
    parameters = [p for p in work.trained.parameters() if p.requires_grad]
    optimizer = make_optimizer(config, work.trained)
    scaler = torch.amp.GradScaler(ranks.device.type, enabled=config.precision == "fp16")
    parts = {"model": work.trained, "average": work.average, "optimizer": optimizer}
    parts |= ({"scaler": scaler} if scaler.is_enabled() else {}) | work.parts
    state = TrainingState(run, parts, config.keep)
    state.inherited = work.inherited
    state.resume()
    ranks.agree(state.images, run)
    stats = RunLog(run, state.images) if ranks.first else None
    model = ranks.parallel(work.model)
    watch = Watch()
    began, first = time.monotonic(), state.images

    while state.images < config.images:
        work.model.train()
        optimizer.zero_grad(set_to_none=True)
        terms = _gradients(config, work, model, scaler, state.images)

        # Update.
        for group in optimizer.param_groups:
            group["lr"] = group["factor"] * learning_rate(config, state.images)
        scaler.unscale_(optimizer)
        norm = nn.utils.clip_grad_norm_(parameters, config.clip or math.inf)
        watch.add(terms["total"], norm, state.images)
        scaler.step(optimizer)
        scaler.update()
        work.after_update(state.images)
        state.images += config.batch
        update_average(work.average, work.trained, config, state.images)

        # Report, save, show.
        terms["norm"] = norm
        values = ranks.sum(torch.stack([v.float() for v in terms.values()])) / ranks.world
        if stats:
            stats.add(list(terms), values)
        if progress and ranks.first:
            progress(state.images, config.images)
        done, saved = (
            state.images >= config.images,
            _passed(state.images, config.snapshot_images, config),
        )
        watch.look_if_due(scaler, now=done or saved or ranks.device.type == "cpu")
        if done or _passed(state.images, config.report_images, config):
            state.skipped |= ranks.union(work.skipped)
            if stats:
                rate = (state.images - first) / (time.monotonic() - began)
                stats.report(state.images, images_per_second=rate, skipped=len(state.skipped))
        # Validate first: a stopped run goes on behind its snapshot, and would lose the row.
        if done or _passed(state.images, config.validation_images, config):
            _validate(work, stats, state.images)
        if stats and saved:
            state.skipped |= work.skipped
            state.save()
            stats.grid(state.images, *work.columns())
    if ranks.first:
        state.save()
    if stats:
        stats.close()
    ranks.wait()
    return state.path


class Watch:
    """Stops a training whose loss is not finite, or far above what it has been.

    A mean over some hundred batches is compared, since one batch says little.
    """

    def __init__(self) -> None:
        self._mean = self._least = math.inf
        self._count = 0
        self._waiting: list[tuple[Tensor, Tensor, int]] = []

    def add(self, loss: Tensor, norm: Tensor, images: int) -> None:
        """Keep the loss and the length of the gradient of a batch, on its device."""
        self._waiting.append((loss.detach(), norm.detach(), images))

    def look_if_due(self, scaler: torch.amp.GradScaler, *, now: bool) -> None:
        """Check all that was added since the last look; errors as in `check`.

        Numbers come from the device now and then: each time the host waits for it.
        """
        if self._waiting and (now or len(self._waiting) >= LOOKED):
            skipped = scaler.is_enabled() and scaler.get_scale() > 1
            pairs = torch.stack([torch.stack([a.float(), b.float()]) for a, b, _ in self._waiting])
            for (loss, norm), (_, _, images) in zip(pairs.tolist(), self._waiting, strict=True):
                self.check(loss, norm, images, skipped=skipped)
            self._waiting.clear()

    def check(
        self, loss: Tensor | float, norm: Tensor | float, images: int, *, skipped: bool = False
    ) -> None:
        """Look at the loss of a batch and the length of its gradient.

        Parameters
        ----------
        loss, norm : of the batch
        images : seen before it
        skipped : the scaler leaves out a batch that overflows, so look at none

        Raises
        ------
        ConfigError : one of them is not finite, or the mean has grown `EXPLODED` times
        """
        total = float(loss)
        if skipped:
            return
        if not (math.isfinite(total) and math.isfinite(norm)):
            raise ConfigError(
                f"training diverged after {images} images: the loss is not finite; try a lower lr"
            )
        self._count += 1
        weight = max(1 / self._count, 1 / WATCHED)
        self._mean = total if self._count == 1 else self._mean + weight * (total - self._mean)
        if self._count >= WATCHED:
            self._least = min(self._least, self._mean)
            if self._mean > EXPLODED * self._least > 0:
                raise ConfigError(
                    f"training diverged after {images} images: the loss is {self._mean:.3g} and "
                    f"was {self._least:.3g}; try a lower lr"
                )


def _gradients(
    config: TrainConfig, work: Work, model: nn.Module, scaler: torch.amp.GradScaler, images: int
) -> dict[str, Tensor]:
    """Forward and backward, in as many parts as memory asks for; returns the mean terms."""
    dtype = DTYPES[config.precision]
    sums: dict[str, Tensor] = {}
    for part in range(config.accumulate):
        batch = work.batch(images, part)
        last = part == config.accumulate - 1
        with _alone(model, last):
            with torch.autocast(batch[0].device.type, dtype, dtype != torch.float32):
                terms = model(*batch)
                total = torch.stack([getattr(config.loss, k) * v for k, v in terms.items()]).sum()
            scaler.scale(total / config.accumulate).backward()  # type: ignore[no-untyped-call]
        for name, value in (terms | {"total": total}).items():
            mean = value.detach() / config.accumulate
            sums[name] = sums[name] + mean if name in sums else mean
    return sums


def _validate(work: Work, stats: RunLog | None, images: int) -> None:
    found = work.validate()
    if stats and found:
        stats.validation(images, found)


def _alone(model: nn.Module, last: bool) -> contextlib.AbstractContextManager[None]:
    """Gradients are exchanged between processes with the last part only."""
    no_sync = getattr(model, "no_sync", None)
    return contextlib.nullcontext() if last or no_sync is None else no_sync()


def _passed(images: int, every: int, config: TrainConfig) -> bool:
    """Whether the last batch stepped over a multiple of `every`."""
    return images // every != (images - config.batch) // every


def _check_claim(config: TrainConfig, run: Path) -> None:
    """Reject a folder whose snapshots are of a run that differs in something that matters."""
    if not TrainingState.snapshots(run):
        return  # a first start that failed claims nothing
    values = json.loads(json.dumps(to_dict(config)))
    try:
        stored = _with_defaults(json.loads((run / "config.json").read_text(encoding="utf-8")))
        changed = [k for k in values if k not in FREE_KEYS and stored.get(k) != values[k]]
    except (OSError, ValueError, AttributeError) as error:
        raise ConfigError(f"run {run}: config.json is damaged: {in_words(error)}") from error
    if changed:
        raise ConfigError(f"run {run}: was started with another {changed[0]}; use a new folder")


def _with_defaults(stored: dict[str, Any]) -> dict[str, Any]:
    """Stored config with the settings that have been added since, at their defaults."""
    try:
        return dict(json.loads(json.dumps(to_dict(from_dict(TrainConfig, stored)))))
    except ConfigError:  # one that an older version had, which is compared as it is
        return stored


def _claim(config: TrainConfig, run: Path) -> None:
    """Write config.json."""
    run.mkdir(parents=True, exist_ok=True)
    with replacing(run / "config.json") as partial:
        partial.write_text(json.dumps(to_dict(config), indent=1), encoding="utf-8")
