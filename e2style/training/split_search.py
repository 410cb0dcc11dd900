"""Search for the split of a code's rows over the levels of the encoder (paper, Eq. 1).

Q(n1, n2, n3) + lambda P(n1, n2, n3) with n1 + n2 + n3 = n has no explicit form, since Q depends on
a training. As the paper's text says: n2 and n3 count as one while the smallest n1, of the deepest
level, is sought whose SSIM is at most 2 % below that of the whole code from the deepest level;
then the smallest n2 in the same way. Each candidate is one training, kept in a folder of its own,
so that an interrupted search goes on.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path

from torch import nn

from e2style.config import EncoderConfig, TrainConfig
from e2style.errors import ConfigError
from e2style.evaluation.measure import measure
from e2style.evaluation.methods import Inverter
from e2style.files import replacing
from e2style.metrics.features import FeatureMetrics
from e2style.models.counting import count_parameters
from e2style.training.assemble import network_of_run
from e2style.training.loop import train
from e2style.training.ranks import together

__all__ = ["TOLERANCE", "Split", "Tried", "encoder_of", "search", "search_split", "smallest"]

Split = tuple[int, int, int]  # rows of the levels 1/8, 1/4, 1/2: n1, n2, n3
TOLERANCE = 0.02
LEVELS = 3
POOLS = (7, 5, 3)  # of the levels in the order of a Split, where the config has none


@dataclasses.dataclass(frozen=True)
class Tried:
    """A candidate.

    Attributes
    ----------
    split : its rows
    ssim : mean over the validation images
    counted : parameters of its encoder, as the paper counts them
    """

    split: Split
    ssim: float
    counted: int


def smallest(most: int, quality: Callable[[int], float], least: float, lowest: int = 0) -> int:
    """Smallest count from `lowest` to `most` whose quality is at least `least`.

    A binary search, which takes quality to grow with the count; `most` is taken to be enough.
    """
    low, high = lowest, most
    while low < high:
        middle = (low + high) // 2
        if quality(middle) >= least:
            high = middle
        else:
            low = middle + 1
    return high


def search(rows: int, quality: Callable[[Split], float], tolerance: float = TOLERANCE) -> Split:
    """Split of so many rows, as Eq. 1 of the paper asks for it and its text finds it.

    Parameters
    ----------
    rows : of the code
    quality : SSIM of a split
    tolerance : share of the SSIM that may be lost in each of the two searches
    """
    whole = quality((rows, 0, 0))
    deep = smallest(rows, lambda n: quality((n, rows - n, 0)), (1 - tolerance) * whole, lowest=1)
    before = quality((deep, rows - deep, 0))
    middle = smallest(
        rows - deep, lambda n: quality((deep, n, rows - deep - n)), (1 - tolerance) * before
    )
    return deep, middle, rows - deep - middle


def encoder_of(encoder: EncoderConfig, split: Split) -> EncoderConfig:
    """Encoder with another split; a level that predicts nothing has no head.

    Raises
    ------
    ConfigError : the encoder has another number of levels than three
    """
    if len(encoder.split) != LEVELS:
        raise ConfigError(
            f"model.encoder.split: got {encoder.split}, the search is for three levels"
        )
    known = [own or usual for own, usual in zip(encoder.pools, POOLS[::-1], strict=True)]
    shallow_first = split[::-1]
    pools = tuple(p if rows else 0 for p, rows in zip(known, shallow_first, strict=True))
    return dataclasses.replace(encoder, split=shallow_first, pools=pools)


def search_split(
    config: TrainConfig,
    runs: Path,
    *,
    tolerance: float = TOLERANCE,
    limit: int | None = None,
    networks: Mapping[str, nn.Module] | None = None,
    begun: Callable[[Split], object] = lambda split: None,
    done: Callable[[Tried], object] = lambda tried: None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Split, list[Tried]]:
    """Train, measure and search.

    Under `torchrun` every process calls this.

    Parameters
    ----------
    config : training of stage 1 with a validation set; its split is replaced
    runs : folder for the run folders, split-N1-N2-N3
    tolerance : as in `search`
    limit : validation images to measure on, evenly spread; None means all
    networks : as in `train`
    begun, done : called with each candidate before its training and behind its measurement
    progress : as in `train`

    Returns
    -------
    the split that was found, and all that were tried, in their order

    Raises
    ------
    ConfigError : another stage than 1, or no validation set
    CheckpointError, DataError : as in `train`
    """
    if config.stage != 1 or not config.validation:
        raise ConfigError("the search trains stage 1, and needs validation images to measure on")
    known: dict[Split, Tried] = {}

    def quality(split: Split) -> float:
        if split not in known:
            begun(split)
            known[split] = _tried(config, runs, split, limit, networks, progress)
            done(known[split])
        return known[split].ssim

    with together(config):  # once: torchrun's processes cannot join a second time
        found = search(config.model.generator.n_codes, quality, tolerance)
    return found, list(known.values())


def _tried(
    config: TrainConfig,
    runs: Path,
    split: Split,
    limit: int | None,
    networks: Mapping[str, nn.Module] | None,
    progress: Callable[[int, int], None] | None,
) -> Tried:
    encoder = encoder_of(config.model.encoder, split)
    own = dataclasses.replace(config, model=dataclasses.replace(config.model, encoder=encoder))
    run = runs / f"split-{'-'.join(map(str, split))}"
    train(own, run, networks=networks, progress=progress)
    network, seen = network_of_run(run)
    counted = count_parameters(network.config)["counted"]
    asked = [seen, config.validation, limit]
    path = run / "measured-split.json"
    if path.is_file() and (kept := json.loads(path.read_text("utf-8")))["asked"] == asked:
        return Tried(split, float(kept["ssim"]), counted)
    network.to(config.device).eval().requires_grad_(False)
    found = measure(
        Inverter(network),
        config.validation,
        FeatureMetrics({}, {}, {}),
        side=config.side or encoder.image_size,
        limit=limit,
    )
    ssim = found.means["ssim"].mean
    if os.environ.get("RANK", "0") == "0":
        with replacing(path) as partial:
            partial.write_text(json.dumps({"asked": asked, "ssim": ssim}), encoding="utf-8")
    return Tried(split, ssim, counted)
