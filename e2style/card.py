"""Card of a model, and what is taken for granted where a file says nothing."""

from __future__ import annotations

import dataclasses

__all__ = ["DEFAULT_LIKENESS", "ModelCard"]

# Limit where a file states none: hardly any face is reconstructed with edges so unlike.
DEFAULT_LIKENESS = 0.40


@dataclasses.dataclass(frozen=True)
class ModelCard:
    """Model card: description, provenance, permitted use."""

    name: str
    description: str
    train_data: str
    images_seen: int
    hardware: str
    metrics: dict[str, float]
    licence: str
    intended_use: str
    limits: str
