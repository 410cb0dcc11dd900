"""Deep hiding, the rival: one network hides an image in another, and one finds it again.

::

    UDH   secret ─► hider ─► perturbation ─► + cover ─► stego ─► revealer ─► secret
    DDH   secret, cover ─► hider ─► perturbation ─► + cover ─► stego ─► revealer ─► secret

Universal deep hiding (Zhang et al. 2020) perturbs every cover alike; dependent deep hiding (Baluja
2017) looks at the cover first.  These are small relatives that train in minutes on a processor,
made to show what their stegos look like and how easily they are detected.  They have no key: anyone
with the revealer sees the secret.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deephide.errors import CheckpointError
from deephide.output import write_atomically
from deephide.views import to_uint8

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["KINDS", "DeepHider", "load", "save", "train"]

KINDS = ("udh", "ddh")
_WIDTH = 32
_CROP, _BATCH, _RATE = 64, 8, 2e-3
_SECRET_WEIGHT = 0.75  # of Baluja 2017, against the cover's error


@dataclass(frozen=True, eq=False)
class DeepHider:
    """A trained pair: images (H, W, 3) uint8 of one size, H and W even."""

    kind: str
    hider: nn.Module
    revealer: nn.Module

    def hide(self, cover: NDArray[np.uint8], secret: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the stego that shows `cover` and holds `secret`."""
        import torch

        with torch.inference_mode():
            return _to_image(_stego(self.kind, self.hider, *map(_to_tensor, (cover, secret))))

    def reveal(self, stego: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the secret as far as the revealer sees it."""
        import torch

        with torch.inference_mode():
            return _to_image(self.revealer(_to_tensor(stego)) + 0.5)


def _to_tensor(image: NDArray[np.uint8]) -> Tensor:
    import torch

    return torch.from_numpy(image.astype(np.float32) / 255).permute(2, 0, 1)[None]


def _to_image(tensor: Tensor) -> NDArray[np.uint8]:
    return to_uint8((tensor[0] * 255).permute(1, 2, 0).numpy())


def _network(channels: int) -> nn.Module:
    """Five convolutions at half resolution: B channels H W -> B 3 H W."""
    from torch import nn

    layers: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(4 * channels, _WIDTH, 3, padding=1)]
    for _ in range(3):
        layers += [nn.LeakyReLU(0.1), nn.Conv2d(_WIDTH, _WIDTH, 3, padding=1)]
    layers += [nn.LeakyReLU(0.1), nn.Conv2d(_WIDTH, 12, 3, padding=1), nn.PixelShuffle(2)]
    return nn.Sequential(*layers)


def _build(kind: str) -> tuple[nn.Module, nn.Module]:
    return _network(3 if kind == "udh" else 6), _network(3)


def _stego(kind: str, hider: nn.Module, cover: Tensor, secret: Tensor) -> Tensor:
    import torch

    seen = secret if kind == "udh" else torch.cat((secret, cover), dim=1)
    stego: Tensor = cover + hider(seen - 0.5)
    return stego


def train(
    kind: str,
    images: Sequence[NDArray[np.uint8]],
    steps: int,
    seed: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> DeepHider:
    """Train a hider and a revealer together; images hide one another.

    Parameters
    ----------
    kind : one of KINDS
    images : (H, W, 3) uint8, at least 64 x 64
    steps : of eight pairs of crops each
    seed : of weights and crops
    progress : called with (steps done, steps in all)

    Returns
    -------
    DeepHider
    """
    import torch

    if kind not in KINDS:
        raise ValueError(f"kind: got {kind!r}, allowed: {', '.join(KINDS)}")
    rng = np.random.default_rng(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        hider, revealer = _build(kind)
    optimizer = torch.optim.Adam([*hider.parameters(), *revealer.parameters()], lr=_RATE)
    for step in range(steps):
        cover, secret = (_crops(images, rng) for _ in range(2))
        stego = _stego(kind, hider, cover, secret)
        # The file holds whole levels; rounding has no slope, so the step goes around it.
        stego = stego + ((stego.clamp(0, 1) * 255).round() / 255 - stego).detach()
        found = revealer(stego) + 0.5
        loss = (stego - cover).square().mean() + _SECRET_WEIGHT * (found - secret).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if progress:
            progress(step + 1, steps)
    return DeepHider(kind, hider.eval(), revealer.eval())


def _crops(images: Sequence[NDArray[np.uint8]], rng: np.random.Generator) -> Tensor:
    import torch

    crops = []
    for image in rng.integers(len(images), size=_BATCH):
        height, width, _ = images[image].shape
        top, left = rng.integers(height - _CROP + 1), rng.integers(width - _CROP + 1)
        crops.append(_to_tensor(images[image][top : top + _CROP, left : left + _CROP]))
    return torch.cat(crops)


def save(networks: DeepHider, path: Path) -> None:
    """Write networks as a NumPy archive; an existing file is replaced."""
    arrays: dict[str, Any] = {"kind": np.array(networks.kind)}
    for part in ("hider", "revealer"):
        for name, tensor in getattr(networks, part).state_dict().items():
            arrays[f"{part}.{name}"] = tensor.numpy()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue(), force=True)


def load(path: Path) -> DeepHider:
    """Read what `save` wrote.

    Raises
    ------
    CheckpointError : no such file, or another kind of file
    """
    import torch

    try:
        with np.load(io.BytesIO(path.read_bytes())) as arrays:
            kind = str(arrays["kind"])
            parts = dict(zip(("hider", "revealer"), _build(kind), strict=True))
            for name, part in parts.items():
                state = {
                    key.removeprefix(f"{name}."): torch.from_numpy(arrays[key])
                    for key in arrays.files
                    if key.startswith(f"{name}.")
                }
                part.load_state_dict(state)
    except (OSError, EOFError, ValueError, KeyError, RuntimeError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"the networks {path} cannot be loaded: {error}") from error
    return DeepHider(kind, parts["hider"].eval(), parts["revealer"].eval())
