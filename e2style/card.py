"""Card of a model, what its config says of it, and defaults where a file says nothing."""

from __future__ import annotations

import dataclasses

from e2style.config import InversionConfig

__all__ = ["DEFAULT_LIKENESS", "Configured", "ModelCard"]

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


class Configured:
    """What the config says of a loaded model, whatever runs it.

    Attributes
    ----------
    config : InversionConfig
    """

    config: InversionConfig

    @property
    def name(self) -> str:
        """Name under which it ships, or that of its config."""
        return self.config.name

    @property
    def n_codes(self) -> int:
        """Rows n of a code."""
        return self.config.generator.n_codes

    @property
    def image_size(self) -> int:
        """Side S at which images are handed in, as in training."""
        return self.config.image_size

    @property
    def output_size(self) -> int:
        """Side R of a generated image."""
        return self.config.generator.size
