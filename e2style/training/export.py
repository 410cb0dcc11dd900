"""From a training run to a model file: averaged weights, fitted quantizer, card."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import torch

from e2style.acceptance import fit_limits
from e2style.checkpoint_io import check_target
from e2style.data.faces import FaceSet
from e2style.evaluation import COMPARED_SIDE, encode_set
from e2style.model import InversionModel, ModelCard
from e2style.quantizer import fit_quantizer
from e2style.training.assemble import config_of_run, network_of_run
from e2style.zoo import save, stored_as_half

log = logging.getLogger(__name__)


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
    OutputError : the target cannot be written
    """
    check_target(target)
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

    limits = fit_limits(model, faces.pictures, quantizer.dequantise(integers), bits)
    log.info("faces that agree to less than %.1f dB will be refused", limits.accept_psnr)
    save(target, network, quantizer=quantizer, card=card, **dataclasses.asdict(limits))
    return target
