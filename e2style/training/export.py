"""From a training run to a model file: averaged weights, fitted quantizer, card."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from e2style.data.faces import FaceSet
from e2style.evaluation import COMPARED_SIDE, encode_set
from e2style.model import InversionModel, ModelCard, agreement, likeness
from e2style.quantizer import fit_quantizer
from e2style.training.assemble import config_of_run, network_of_run
from e2style.training.runlog import to_uint8
from e2style.zoo import save, stored_as_half

log = logging.getLogger(__name__)

# A secret is refused where it fares worse than one training face in a thousand, by these margins.
ACCEPT_MARGIN_DB = 1.0
ACCEPT_BITS_FACTOR = 1.1


def export(run: Path, target: Path, card: ModelCard | None = None, *, every: int = 3) -> Path:
    """Write the model of a run, ready for hiding.

    After joint training the quantizer is fitted to training pictures, with the weights as they
    are stored; the acceptance limits lie a little beyond the worst of them. A stage that was
    trained against a frozen generator is written whole, generator and earlier stages included,
    without a quantizer: `e2style calibrate` fits one.

    Parameters
    ----------
    run : folder of `train`
    target : file to write
    card : what is known about the model; `images_seen` is filled in
    every : use every n-th picture; thousands are plenty for a few dozen shared tables

    Raises
    ------
    CheckpointError : the run holds no snapshot
    """
    config = config_of_run(run)
    network, images_seen = network_of_run(run)
    network.channels_last()
    if card is not None:
        card = dataclasses.replace(card, images_seen=images_seen)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if stored_as_half(name, value):
                value.copy_(value.half().float())
    if config.stage:
        save(target, network, card=card)
        return target
    model = InversionModel(network, fingerprint=bytes(32))

    faces = FaceSet(config.data, COMPARED_SIDE, every=every)
    codes = encode_set(model, faces)
    quantizer = fit_quantizer(codes)
    integers = quantizer.quantise(codes)
    bits = quantizer.ideal_bits(integers)
    log.info("%.0f bits a face under the fitted tables", bits.mean())

    found, alike = _agreement(model, faces, quantizer.dequantise(integers))
    log.info("regenerated faces agree to %.1f to %.1f dB", found.min(), found.max())
    save(
        target,
        network,
        quantizer=quantizer,
        card=card,
        accept_psnr=round(float(np.quantile(found, 0.001)) - ACCEPT_MARGIN_DB, 1),
        accept_bits=float(round(np.quantile(bits, 0.999) * ACCEPT_BITS_FACTOR)),
        accept_likeness=round(float(np.quantile(alike, 0.001)), 2),
    )
    return target


@torch.inference_mode()
def _agreement(
    model: InversionModel, faces: FaceSet, codes: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agreement in dB and likeness of each regenerated picture with its original."""
    decibels, alike = [], []
    for start in range(0, len(faces), 64):
        part = torch.from_numpy(codes[start : start + 64])
        painted = to_uint8(model.network.synthesize(part))
        originals = faces.pictures[start : start + 64]
        decibels += [agreement(a, b) for a, b in zip(originals, painted, strict=True)]
        alike += [likeness(a, b) for a, b in zip(originals, painted, strict=True)]
    return np.array(decibels), np.array(alike)
