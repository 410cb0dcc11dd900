"""Ranks: processes that train one network together, started by `torchrun`.

Every process sees its share of each batch; gradients are averaged, and batch norms share their
statistics, so that N processes compute what one process with the whole batch computes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from e2style.config import TrainConfig
from e2style.errors import CheckpointError, ConfigError


@dataclasses.dataclass(frozen=True)
class Ranks:
    """Place of this process among those that train together."""

    rank: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process writes the files."""
        return self.rank == 0

    def share(self, start: int, config: TrainConfig, part: int) -> range:
        """Places of the training order that this process sees in one accumulation step."""
        size = config.batch // (config.accumulate * self.world)
        begin = start + (part * self.world + self.rank) * size
        return range(begin, begin + size)

    def sum(self, values: Tensor) -> Tensor:
        """Sum over the processes, for reporting; no gradient."""
        if self.world > 1:
            dist.all_reduce(values)
        return values

    def union(self, names: set[str]) -> set[str]:
        """Names that any of the processes has."""
        if self.world == 1:
            return names
        found: list[set[str]] = [set()] * self.world
        dist.all_gather_object(found, names)
        return set().union(*found)

    def agree(self, images: int, run: Path) -> None:
        """Check that all processes go on from where the first one does.

        Raises
        ------
        CheckpointError : they see different snapshots
        """
        if self.world > 1:
            first = torch.tensor(images, device=self.device)
            dist.broadcast(first, 0)
            if int(first) != images:
                raise CheckpointError(
                    f"run {run}: process {self.rank} is at {images} images and the first one at "
                    f"{int(first)}; all need the same folder"
                )

    def wait(self) -> None:
        """Go on when all processes are here."""
        if self.world > 1:
            dist.barrier(device_ids=[self.device.index] if self.device.type == "cuda" else None)

    def parallel(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that its gradients are averaged over the processes."""
        if self.world == 1:
            return module
        from torch.nn.parallel import DistributedDataParallel

        ids = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, broadcast_buffers=False)


@contextlib.contextmanager
def together(config: TrainConfig) -> Iterator[Ranks]:
    """Join the processes that `torchrun` started; alone without it.

    Raises
    ------
    ConfigError : the batch cannot be shared evenly, or the device is not there
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    if world == 1:
        yield Ranks(0, 1, _device(config.device))
        return
    if config.batch % (world * config.accumulate):
        raise ConfigError(
            f"batch: {config.batch} is no multiple of {world} processes "
            f"times accumulate={config.accumulate}"
        )
    local = os.environ.get("LOCAL_RANK", "0")
    device = _device(f"cuda:{local}" if config.device.startswith("cuda") else config.device)
    if dist.is_initialized():  # by a program that trains several networks, one after the other
        yield Ranks(dist.get_rank(), world, device)
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    on_gpu = device.type == "cuda"
    dist.init_process_group("nccl" if on_gpu else "gloo", device_id=device if on_gpu else None)
    try:
        yield Ranks(dist.get_rank(), world, device)
    finally:
        dist.destroy_process_group()


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError, ImportError) as error:
        reason = str(error).splitlines()[:1] or [type(error).__name__]
        raise ConfigError(f"device: {name!r} cannot be used: {reason[0]}") from error
    return device


class _Sum(torch.autograd.Function):
    """Sum over the processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        total = x.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        total = grads[0].clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(_BatchNorm):
    """Batch norm over the batch of all processes, on any device and backend.

    torch's own SyncBatchNorm runs on GPUs only, which is where it is used.
    """

    def _check_input_dim(self, input: Tensor) -> None:
        """Take rows and maps alike."""

    def forward(self, input: Tensor) -> Tensor:
        """B C or B C H W -> the same; B is the share of this process."""
        if not self.training:
            return super().forward(input)
        x = input.float()
        over = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = x.numel() // x.shape[1] * dist.get_world_size()
        mean = _summed(x.sum(over)) / count
        centred = x - mean.view(shape)
        var = _summed(centred.square().sum(over)) / count
        self._track(mean, var * (count / max(count - 1, 1)))
        y = centred * torch.rsqrt(var + self.eps).view(shape)
        y = torch.addcmul(self.bias.view(shape), y, self.weight.view(shape))
        return y.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum or 0.1)
        self.running_var.lerp_(var, self.momentum or 0.1)


def _summed(x: Tensor) -> Tensor:
    total: Tensor = _Sum.apply(x)  # type: ignore[no-untyped-call]
    return total


def share_batch_norms(module: nn.Module, ranks: Ranks) -> None:
    """Replace the batch norms inside a module by ones that see the whole batch; in place.

    Parameters, statistics and names stay, so checkpoints do not know the difference.
    """
    if ranks.world == 1:
        return
    for parent in module.modules():
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm1d | nn.BatchNorm2d):
                setattr(parent, name, _shared(child, ranks.device))


def _shared(norm: _BatchNorm, device: torch.device) -> nn.Module:
    if device.type == "cuda":
        synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(norm)  # type: ignore[no-untyped-call]
        return synced
    shared = SharedBatchNorm(norm.num_features, norm.eps, norm.momentum)
    shared._parameters, shared._buffers = norm._parameters, norm._buffers
    return shared.train(norm.training)
