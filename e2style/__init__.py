"""StyleGAN inversion after E2Style (Wei et al. 2022): networks, training, model files.

>>> import e2style
>>> model = e2style.load()                        # doctest: +SKIP
>>> codes = model.invert(images)                  # doctest: +SKIP
>>> faces = model.synthesize(codes)               # doctest: +SKIP
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e2style.card import ModelCard
    from e2style.checkpoints.adding import add_model, remove_model
    from e2style.checkpoints.fingerprints import fingerprint_of
    from e2style.checkpoints.graph_loading import load_for_inference
    from e2style.checkpoints.loading import load, load_generator, load_model
    from e2style.checkpoints.locations import header_of, locate
    from e2style.checkpoints.saving import save
    from e2style.checkpoints.shipped import names
    from e2style.checkpoints.user_models import Added, added_models
    from e2style.checkpoints.verification import Verdict, verify
    from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig, TrainConfig
    from e2style.errors import CheckpointError, ConfigError, DataError, E2StyleError
    from e2style.graphs.models import GraphModel
    from e2style.model import InversionModel
    from e2style.models.counting import count_parameters
    from e2style.quantizer import Quantizer

# Public names and where they live; imported on first use, so that `import e2style` is quick.
_HOMES = {
    "Added": "checkpoints.user_models",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "E2StyleError": "errors",
    "EncoderConfig": "config",
    "GeneratorConfig": "config",
    "GraphModel": "graphs.models",
    "InversionConfig": "config",
    "InversionModel": "model",
    "ModelCard": "card",
    "Quantizer": "quantizer",
    "TrainConfig": "config",
    "Verdict": "checkpoints.verification",
    "add_model": "checkpoints.adding",
    "added_models": "checkpoints.user_models",
    "count_parameters": "models.counting",
    "fingerprint_of": "checkpoints.fingerprints",
    "header_of": "checkpoints.locations",
    "load": "checkpoints.loading",
    "load_for_inference": "checkpoints.graph_loading",
    "load_generator": "checkpoints.loading",
    "load_model": "checkpoints.loading",
    "locate": "checkpoints.locations",
    "names": "checkpoints.shipped",
    "remove_model": "checkpoints.adding",
    "save": "checkpoints.saving",
    "verify": "checkpoints.verification",
}

__all__ = [
    "Added",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "E2StyleError",
    "EncoderConfig",
    "GeneratorConfig",
    "GraphModel",
    "InversionConfig",
    "InversionModel",
    "ModelCard",
    "Quantizer",
    "TrainConfig",
    "Verdict",
    "add_model",
    "added_models",
    "count_parameters",
    "fingerprint_of",
    "header_of",
    "load",
    "load_for_inference",
    "load_generator",
    "load_model",
    "locate",
    "names",
    "remove_model",
    "save",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'e2style' has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"e2style.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "torch":
            raise
        message = f"e2style.{name} needs torch; install the extra: pip install 'deephide[train]'"
        raise ModuleNotFoundError(message, name="torch") from error


def __dir__() -> list[str]:
    return __all__
