"""Pairs of source (what the encoder sees) and target from folders or zips, decoded lazily.

Thousands of images of any size are read when they are needed. What a place in the order
yields depends on the seed and that place alone: not on threads, processes or interruptions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from e2style.config import TrainConfig
from e2style.data.archive import UNREADABLE, Archive, Array, decode, why
from e2style.data.corruptions import corrupt
from e2style.data.faces import group_weights, groups_of
from e2style.errors import DataError

log = logging.getLogger(__name__)


class PairSet:
    """Training or validation pairs of one task.

    Parameters
    ----------
    config : TrainConfig
    data, source : folder or zip; an empty source means the images of `data` themselves
    training : False flips nothing, and degrades each image in the same way every time

    Attributes
    ----------
    names : N names of the targets
    bad : names of those that could not be decoded so far, in either half, with the reason
    """

    def __init__(
        self, config: TrainConfig, data: str, source: str = "", *, training: bool = True
    ) -> None:
        self.config = config
        self.side = config.side or config.model.encoder.image_size
        self.training = training
        self._targets = Archive(data)
        self._sources = Archive(source) if source else None
        self.names = self._targets.names
        self._paired: dict[str, str] = {}
        if self._sources is not None:
            self._pair(self._sources)
        elif config.task in {"sketch", "segmentation"}:
            raise DataError(f"source: the task {config.task} needs a folder or zip of inputs")
        self.bad: dict[str, str] = {}
        self._lock = threading.Lock()
        self._order: tuple[int, NDArray[np.int64]] = (-1, np.empty(0, np.int64))
        balanced = training and config.balance
        groups = groups_of(Path(data), self.names)
        self._weights = group_weights(groups).numpy() if balanced else None

    def _pair(self, sources: Archive) -> None:
        """Match by the name without its suffix; what has no partner is counted and left out."""
        stems = {str(Path(n).with_suffix("")): n for n in sources.names}
        paired = {n: stems.get(str(Path(n).with_suffix("")), "") for n in self.names}
        alone = [n for n, partner in paired.items() if not partner]
        if len(alone) == len(paired):
            raise DataError(f"source {sources.path}: no name matches one of {self._targets.path}")
        if alone:
            log.warning("%d images have no source and are left out: %s …", len(alone), alone[0])
        self.names = [n for n in self.names if paired[n]]
        self._paired = {n: paired[n] for n in self.names}

    def __len__(self) -> int:
        return len(self.names)

    def close(self) -> None:
        """Close the files."""
        self._targets.close()
        if self._sources is not None:
            self._sources.close()

    def index(self, place: int) -> int:
        """Which image stands at a place of the endless training order.

        Every epoch has an order of its own; with balanced groups it is drawn with replacement.
        """
        epoch, within = divmod(place, len(self))
        with self._lock:
            if self._order[0] != epoch:
                rng = np.random.default_rng((self.config.seed, 1, epoch))
                if self._weights is None:
                    order = rng.permutation(len(self))
                else:
                    p = self._weights / self._weights.sum()
                    order = rng.choice(len(self), len(self), p=p)
                self._order = (epoch, order)
            return int(self._order[1][within])

    def sample(self, place: int) -> tuple[Array, Array]:
        """Pair at a place of the order; an image that cannot be decoded gives way to the next.

        Returns
        -------
        source (S, S, 3) or (S, S), and target (S, S, 3), uint8

        Raises
        ------
        DataError : none of a hundred images in a row can be decoded
        """
        index = self.index(place) if self.training else place
        for shift in range(min(100, len(self)) if self.training else 1):
            name = self.names[(index + shift) % len(self)]
            key = (self.config.seed, 2, place) if self.training else (0, 3, index)
            if name not in self.bad:
                try:
                    return self._read(name, np.random.default_rng(key))
                except UNREADABLE as error:
                    self._report(name, why(error))
        raise DataError(f"data {self._targets.path}: {name} and those after it cannot be read")

    def _report(self, name: str, reason: str) -> None:
        with self._lock:
            if name not in self.bad:
                log.warning("%s is skipped: %s", name, reason)
                self.bad[name] = reason

    def _read(self, name: str, rng: np.random.Generator) -> tuple[Array, Array]:
        config = self.config
        target = decode(self._targets.read(name), self.side, fit=config.fit)
        if self._sources is not None:
            mode = {"sketch": "L", "segmentation": "labels"}.get(config.task, "RGB")
            data = self._sources.read(self._paired[name])
            source = decode(data, self.side, mode, fit=config.fit)
            if mode == "labels" and source.max() >= config.labels:
                raise ValueError(f"label {source.max()}, allowed are 0 to {config.labels - 1}")
        else:
            source = target
        if self.training and config.flip and rng.random() < 0.5:
            shared = source is target
            target = target[:, ::-1]
            source = target if shared else source[:, ::-1]
        if self._sources is None:
            soften = config.model.generator.base_side > 0
            whole = np.ascontiguousarray(source)
            source = corrupt(whole, config.task, rng, config.factors, soften=soften)
        return source, target

    def tensors(self, pairs: list[tuple[Array, Array]]) -> tuple[Tensor, Tensor]:
        """Stack samples -> source B C S S and target B 3 S S.

        Images are in [-1, 1], sketches in [0, 1], label maps one plane per class in {0, 1}.
        """
        sources = torch.from_numpy(np.stack([source for source, _ in pairs]))
        targets = _signed(torch.from_numpy(np.stack([target for _, target in pairs])))
        if self.config.task == "segmentation":
            planes = F.one_hot(sources.long(), self.config.labels)
            return planes.permute(0, 3, 1, 2).float(), targets
        if self.config.task == "sketch":
            return sources[:, None].float() / 255, targets
        return _signed(sources), targets


def _signed(images: Tensor) -> Tensor:
    """B S S 3 uint8 -> B 3 S S in [-1, 1], channels_last in memory."""
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1


class ReadAhead:
    """Samples by place, decoded by threads before they are asked for.

    Parameters
    ----------
    sample : from a place to a sample
    workers : threads; 0 decodes on demand
    """

    def __init__(self, sample: Callable[[int], tuple[Array, Array]], workers: int) -> None:
        self._sample = sample
        self._pool = ThreadPoolExecutor(workers) if workers else None
        self._ahead: dict[int, Future[tuple[Array, Array]]] = {}

    def get(self, places: range, following: range) -> list[tuple[Array, Array]]:
        """Samples at `places`; those at `following` are begun."""
        if self._pool is None:
            return [self._sample(place) for place in places]
        for place in (*places, *following):
            if place not in self._ahead:
                self._ahead[place] = self._pool.submit(self._sample, place)
        return [self._ahead.pop(place).result() for place in places]

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
