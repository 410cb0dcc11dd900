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
    from e2style.added import Added, added_models
    from e2style.adding import add_model, remove_model
    from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig, TrainConfig
    from e2style.counting import count_parameters
    from e2style.errors import CheckpointError, ConfigError, DataError, E2StyleError
    from e2style.model import InversionModel, ModelCard
    from e2style.quantizer import Quantizer
    from e2style.shipped import fingerprint_of, header_of, locate, names
    from e2style.verification import Verdict, verify
    from e2style.zoo import load, load_generator, load_model, save

# Public names and where they live; imported on first use, so that `import e2style` is quick.
_HOMES = {
    "Added": "added",
    "CheckpointError": "errors",
    "ConfigError": "errors",
    "DataError": "errors",
    "E2StyleError": "errors",
    "EncoderConfig": "config",
    "GeneratorConfig": "config",
    "InversionConfig": "config",
    "InversionModel": "model",
    "ModelCard": "model",
    "Quantizer": "quantizer",
    "TrainConfig": "config",
    "Verdict": "verification",
    "add_model": "adding",
    "added_models": "added",
    "count_parameters": "counting",
    "fingerprint_of": "shipped",
    "header_of": "shipped",
    "load": "zoo",
    "load_generator": "zoo",
    "load_model": "zoo",
    "locate": "shipped",
    "names": "shipped",
    "remove_model": "adding",
    "save": "zoo",
    "verify": "verification",
}

__all__ = [
    "Added",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "E2StyleError",
    "EncoderConfig",
    "GeneratorConfig",
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
    return getattr(importlib.import_module(f"e2style.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
