"""Layout of a model file: keys of its tensors and of its header, and what the header says.

A model file is safetensors. Network tensors are half precision under `network.`, the
quantizer lies under `quantizer.`, config and card are JSON in the header. A file may leave the
generator out and name the shipped model whose generator it was trained with. Nothing is unpickled.

Read without torch.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any

from e2style.card import DEFAULT_LIKENESS, ModelCard
from e2style.checkpoints.untrusted import check_settings
from e2style.config import InversionConfig
from e2style.errors import CheckpointError
from e2style.quantizer import ARRAYS, Quantizer
from e2style.settings import from_dict

__all__ = ["FORMAT", "GENERATOR", "MEAN", "Header", "quantizer_key"]

FORMAT = "e2style-1"
GENERATOR = "network.generator."
MEAN = "network.w_avg"
MAX_QUALITIES = 99


def quantizer_key(number: int, total: int) -> str:
    """Start of the names of a quantizer's tensors; one alone needs no number."""
    return "quantizer." if total == 1 else f"quantizer.{number:02d}."


@dataclasses.dataclass(frozen=True)
class Header:
    """What a model file says beside its weights; see `e2style.InversionModel`."""

    config: InversionConfig
    quantizers: tuple[Quantizer, ...]
    quality: int
    card: ModelCard | None
    accept_psnr: float
    accept_bits: float
    accept_likeness: float
    accept_face: bool

    @classmethod
    def of(
        cls,
        texts: Mapping[str, str],
        keys: Collection[str],
        read: Callable[[str], Any],
    ) -> Header:
        """Read it.

        Parameters
        ----------
        texts : metadata of the file
        keys : of its tensors
        read : array of a tensor by its key

        Raises
        ------
        CheckpointError : something in it is out of proportion, or does not fit
        """
        settings = json.loads(texts["config"])
        check_settings(settings)
        config = from_dict(InversionConfig, settings)
        quantizers = _quantizers(texts, keys, read, config)
        quality = int(texts.get("quality", 1))
        if quantizers and not 1 <= quality <= len(quantizers):
            raise CheckpointError(
                f"quality: got {quality}, but there are {len(quantizers)} quantizers"
            )
        return cls(
            config,
            quantizers,
            quality,
            ModelCard(**json.loads(texts["card"])) if texts.get("card") else None,
            accept_psnr=float(texts.get("accept_psnr", 0.0)),
            accept_bits=float(texts.get("accept_bits", math.inf)),
            accept_likeness=float(texts.get("accept_likeness", DEFAULT_LIKENESS)),
            accept_face=texts.get("accept_face") == repr(True),
        )


def _quantizers(
    texts: Mapping[str, str],
    keys: Collection[str],
    read: Callable[[str], Any],
    config: InversionConfig,
) -> tuple[Quantizer, ...]:
    total = sum(key.startswith("quantizer.") and key.endswith(".tables") for key in keys)
    if total > MAX_QUALITIES:
        raise CheckpointError(f"{total} quantizers, at most {MAX_QUALITIES} allowed")
    costs = json.loads(texts.get("prices", "[]")) or [0.0] * total  # of a bit, in squared steps
    if len(costs) != total:
        raise CheckpointError(f"{total} quantizers, but {len(costs)} costs of a bit")
    wanted = (config.generator.n_codes, config.generator.style_dim)
    found = []
    for number, cost in enumerate(costs, 1):
        prefix = quantizer_key(number, total)
        arrays = {name: read(prefix + name) for name in ARRAYS}
        found.append(Quantizer(**arrays, price=float(cost)))
        if found[-1].step.shape != wanted:
            raise CheckpointError(f"quantizer: of shape {found[-1].step.shape}, needs {wanted}")
    return tuple(found)
