"""Directions in the space of codes along which one attribute of a face changes.

InterFaceGAN (Shen et al. 2020): the normal of a plane between the codes of two sets of faces.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray

from e2style.applications import svm
from e2style.applications.components import of_base, principal, sefa
from e2style.applications.rows import parse_rows
from e2style.checkpoints.codes import check_model
from e2style.checkpoints.tensors import read_tensors
from e2style.errors import CheckpointError, ConfigError, DataError
from e2style.files import in_words
from e2style.model import InversionModel

__all__ = [
    "FORMAT",
    "METHODS",
    "SCRIPT_ROWS",
    "SCRIPT_STRENGTHS",
    "Direction",
    "amplified",
    "apply",
    "carrying",
    "learn",
    "load_direction",
    "names",
    "orthogonal",
    "sweep",
    "varied",
]

FORMAT = "e2style-direction-1"
VISIBLE = 0.1  # root mean square change of an image in [-1, 1] by a direction without a spread
TURNS = 12
FOLDER = Path(__file__).resolve().parents[1] / "weights" / "directions"
METHODS = ("svm", "means")
# What the released script does with its age.npy and smile.npy.
SCRIPT_ROWS = "0-7"
SCRIPT_STRENGTHS = (-40.0, -30.0, -20.0, -10.0, -5.0, 0.0, 10.0, 20.0, 30.0, 40.0)


@dataclasses.dataclass(frozen=True, eq=False)
class Direction:
    """A direction and what is known of it.

    Attributes
    ----------
    name : what changes along it
    vector : (n, 512) float32; added once, it moves a code by one standard deviation where codes
        were at hand, else so far that the image of the mean code changes by `VISIBLE`
    rows : of the code that it changes, as `parse_rows` reads them
    model : name of the model
    fingerprint : of the model, in hexadecimal; empty if the file does not say
    note : how it was found
    """

    name: str
    vector: NDArray[np.float32]
    rows: str = "all"
    model: str = ""
    fingerprint: str = ""
    note: str = ""

    def to_bytes(self) -> bytes:
        """Content of a file."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        vector = torch.from_numpy(fields.pop("vector"))
        header = {"format": FORMAT, **fields}
        return safetensors.torch.save({"direction": vector.contiguous()}, header)


def learn(
    name: str,
    model: InversionModel,
    positive: NDArray[np.float32],
    negative: NDArray[np.float32],
    *,
    method: str = "svm",
    rows: str = "all",
) -> Direction:
    """Direction from the codes of faces without an attribute to those with it.

    Parameters
    ----------
    name : of the attribute
    model : whose codes they are
    positive, negative : (N, n, 512) and (M, n, 512)
    method : "svm", the normal of the plane between both; "means", from mean to mean, which takes
        along what usually comes with the attribute
    rows : that may change

    Raises
    ------
    ConfigError : no such method or rows
    DataError : a set is empty, or both are the same
    """
    if method not in METHODS:
        raise ConfigError(f"method: got {method!r}, allowed are {', '.join(METHODS)}")
    kept = parse_rows(rows, model.n_codes)
    if not len(positive) or not len(negative):
        raise DataError("two sets of codes are needed, and one is empty")
    sets = [_flat(codes, kept) for codes in (positive, negative)]
    if method == "svm":
        unit = svm.normal(*sets)
    else:
        difference = sets[0].mean(0) - sets[1].mean(0)
        length = np.linalg.norm(difference)
        if length == 0:
            raise DataError("the codes of both sets have the same mean")
        unit = difference / length
    both = np.concatenate(sets)
    vector = np.zeros((model.n_codes, positive.shape[2]))
    vector[kept] = (unit * (both @ unit).std()).reshape(vector[kept].shape)
    note = f"{method}, {len(positive)} faces with it and {len(negative)} without"
    return _made(name, model, vector, rows, note)


def carrying(model: InversionModel, rows: str) -> str:
    """Those of some rows that show something: behind base styles those of the base alone.

    Raises
    ------
    ConfigError : no such rows, or none of them does
    """
    kept, generator = parse_rows(rows, model.n_codes), model.config.generator
    if not generator.base_styles or kept.stop <= generator.base_rows:
        return rows
    last = generator.base_rows - 1
    if kept.start > last:
        raise ConfigError(f"rows: got {rows}, but rows 0-{last} of {model.name} carry everything")
    return f"{kept.start}-{last}"


def amplified(model: InversionModel, rows: str, count: int) -> list[Direction]:
    """Directions that the generator amplifies most, in rows that show something.

    Those of its modulations (`components.sefa`), or, in the rows of a linear base, of the base
    (`components.of_base`).
    """
    rows = carrying(model, rows)
    kept, generator = parse_rows(rows, model.n_codes), model.network.generator
    found = []
    if generator.base is not None and kept.stop <= generator.base.rows:
        for number, vector in enumerate(of_base(generator, kept, count), start=1):
            length = 1.0 if model.config.generator.base_styles else _visible_length(model, vector)
            note = "leading component of the base"
            found.append(_made(f"sefa-{number}", model, length * vector, rows, note))
        return found
    for number, unit in enumerate(sefa(model.network.generator, kept, count), start=1):
        vector = np.zeros((model.n_codes, len(unit)))
        vector[kept] = unit
        length = _visible_length(model, vector)
        found.append(_made(f"sefa-{number}", model, length * vector, rows, "closed form"))
    return found


def _visible_length(model: InversionModel, vector: NDArray[np.float64]) -> float:
    """Factor with which a vector changes the image of the mean code by `VISIBLE`."""
    mean = model.network.w_avg.cpu()
    step = torch.from_numpy(vector).float()
    before = model.synthesize(mean[None])
    factor = 1.0
    for _ in range(TURNS):
        moved = model.synthesize((mean + factor * step)[None])
        change = float((moved - before).square().mean().sqrt())
        if not change > 0 or abs(change / VISIBLE - 1) < 0.05:
            break
        factor *= min(max(VISIBLE / change, 0.1), 10.0)
    return factor


def varied(
    model: InversionModel, codes: NDArray[np.float32], rows: str, count: int
) -> list[Direction]:
    """Directions in which codes (N, n, 512) vary most; see `components.principal`."""
    kept = parse_rows(rows, model.n_codes)
    found = []
    for number, component in enumerate(principal(_flat(codes, kept), count), start=1):
        vector = np.zeros(codes.shape[1:])
        vector[kept] = component.reshape(vector[kept].shape)
        note = f"principal component of {len(codes)} codes"
        found.append(_made(f"component-{number}", model, vector, rows, note))
    return found


def _flat(codes: NDArray[np.float32], rows: slice) -> NDArray[np.float64]:
    """Codes (N, n, 512) -> (N, D), of some rows."""
    return codes[:, rows].reshape(len(codes), -1).astype(np.float64)


def _made(
    name: str, model: InversionModel, vector: NDArray[np.float64], rows: str, note: str
) -> Direction:
    values = vector.astype(np.float32)
    return Direction(name, values, rows, model.name, model.fingerprint.hex(), note)


def orthogonal(direction: Direction, others: Sequence[Direction]) -> Direction:
    """Take out of a direction what it shares with others, so that those attributes stay.

    Raises
    ------
    DataError : nothing is left
    """
    flat = direction.vector.astype(np.float64).reshape(-1)
    left = flat
    if others:
        basis = np.stack([o.vector.astype(np.float64).reshape(-1) for o in others], 1)
        left = flat - basis @ np.linalg.lstsq(basis, flat, rcond=None)[0]
    if np.linalg.norm(left) <= 1e-6 * np.linalg.norm(flat):
        raise DataError(f"direction {direction.name}: nothing is left of it beside the others")
    vector = left.astype(np.float32).reshape(direction.vector.shape)
    apart = ", ".join(o.name for o in others)
    note = f"{direction.note}; orthogonal to {apart}" if others else direction.note
    return dataclasses.replace(direction, vector=vector, note=note)


def apply(
    codes: NDArray[np.float32], direction: Direction, strength: float, rows: str | None = None
) -> NDArray[np.float32]:
    """Move codes along a direction.

    Parameters
    ----------
    codes : (..., n, 512)
    direction : of the same n
    strength : how often the vector is added; negative moves the other way
    rows : that change; None means those of the direction

    Raises
    ------
    ConfigError : no such rows
    """
    kept = parse_rows(rows or direction.rows, codes.shape[-2])
    moved = codes.copy()
    moved[..., kept, :] += np.float32(strength) * direction.vector[kept]
    return moved


def sweep(
    codes: NDArray[np.float32],
    direction: Direction,
    strengths: Sequence[float],
    rows: str | None = None,
) -> NDArray[np.float32]:
    """Codes (N, n, 512) moved by each strength in turn, as `apply` does -> (S N, n, 512)."""
    return np.concatenate([apply(codes, direction, strength, rows) for strength in strengths])


def names(model: InversionModel) -> list[str]:
    """Names of the directions that ship with the package for a model."""
    return sorted(file.stem for file in FOLDER.glob("*.safetensors") if _belongs(file, model))


def _belongs(file: Path, model: InversionModel) -> bool:
    return read_tensors(file)[0].get("fingerprint") == model.fingerprint.hex()


def load_direction(path_or_name: str | os.PathLike[str], model: InversionModel) -> Direction:
    """Load a direction of ours, by name or file, or an `.npy` file such as the official ones.

    Parameters
    ----------
    path_or_name : a name in `names`, a `.safetensors` file, or an `.npy` file of shape (n, 512),
        (1, n, 512) or (512,), which does not say whose it is
    model : that it is to be used with

    Raises
    ------
    CheckpointError : no such direction, damaged, or of another model
    """
    text = os.fspath(path_or_name)
    shipped = FOLDER / f"{text}.safetensors"
    path = shipped if Path(text).name == text and shipped.is_file() else Path(text)
    if not path.is_file():
        known = ", ".join(names(model)) or "none"
        raise CheckpointError(
            f"direction {text}: no such file, and shipped with {model.name} are {known}"
        )
    shape = (model.n_codes, model.config.generator.style_dim)
    if path.suffix == ".npy":
        return Direction(path.stem, _official(path, shape), note="from an .npy file")
    try:
        header, tensors = read_tensors(path)
        if header.pop("format", "") != FORMAT or set(tensors) != {"direction"}:
            raise CheckpointError("not a direction")
        check_model("its header", header, model)
        fields = {name: header[name] for name in ("name", "rows", "model", "fingerprint", "note")}
        parse_rows(fields["rows"], shape[0])
        vector = tensors["direction"].float().numpy()
        if vector.shape != shape:
            raise CheckpointError(f"of shape {vector.shape}, needs {shape}")
    except (CheckpointError, ConfigError, KeyError) as error:
        raise CheckpointError(f"direction {text}: {in_words(error)}") from error
    return Direction(vector=vector, **fields)


def _official(path: Path, shape: tuple[int, int]) -> NDArray[np.float32]:
    try:
        values = np.load(path, allow_pickle=False)
        if values.shape == shape[1:]:
            values = np.broadcast_to(values, shape)
        return np.array(values, dtype=np.float32).reshape(shape)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"direction {path}: needs an array of shape {shape}") from error
