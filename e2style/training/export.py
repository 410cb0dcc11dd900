"""Export of a training run as a model file: averaged weights, fitted quantizers, card."""

from __future__ import annotations

import dataclasses
import logging
import math
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from e2style.checkpoints.adding_graphs import add_graphs
from e2style.checkpoints.saving import save
from e2style.checkpoints.tensors import check_target, stored_as_half
from e2style.config import TrainConfig
from e2style.data.faces import FaceSet
from e2style.data.mix import FaceMix, names_in
from e2style.errors import ConfigError
from e2style.evaluation.acceptance import fit_limits
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE
from e2style.model import InversionModel, ModelCard
from e2style.models.inversion import InversionNetwork, weightless
from e2style.models.styled_base import RATE_ROW
from e2style.quantizer import TABLE_BITS, Quantizer, fit_quantizer
from e2style.training.assemble import config_of_run, network_of_run

log = logging.getLogger(__name__)

QUALITIES = 12
# Qualities reach a little beyond the steps that were trained for; nothing breaks there.
COARSER, FINER = 1.4, 1.367
CLASSES = 64
# The usual quality takes nearest to 300 bytes, of which 54 are the container's.
USUAL_BYTES = 246
# At the best step for a rate, a bit more takes so much of the error away, in squared steps.
BIT_COST = 0.12
MAX_RADIUS = 255
FITTED = 3000  # faces that quantizers of a network with base styles are fitted to
UNSENT = 1e6  # step of what no code says


def export(
    run: Path,
    target: Path,
    card: ModelCard | None = None,
    *,
    every: int = 3,
    encoder_only: bool = False,
) -> Path:
    """Write the model of a run, ready for hiding.

    After joint training the quantizers are fitted to training images, with the weights as they
    are stored, one for each quality if it was for many rates; the acceptance limits lie a little
    beyond the worst of them. A stage that was trained against a frozen generator is written
    whole, generator and earlier stages included, without a quantizer: `e2style calibrate` fits
    one.

    Parameters
    ----------
    run : folder of `train`
    target : file to write
    card : what is known about the model; `images_seen` is filled in
    every : use every n-th image; thousands are plenty for a few dozen shared tables
    encoder_only : leave the generator of a stage out, and name the shipped model that has it

    Raises
    ------
    CheckpointError : the run holds no snapshot
    ConfigError : encoder_only, but the generator is of no shipped model
    OutputError : the target cannot be written
    """
    check_target(target)
    config = config_of_run(run)
    if encoder_only and not config.generator:
        raise ConfigError("encoder only: the run was not trained on the generator of a model")
    network, images_seen = network_of_run(run)
    network.channels_last()
    if not config.stage and config.model.generator.base_styles and not config.train_encoder:
        network = without_encoders(network)  # the generator was trained without what they say
    if card is not None:
        card = dataclasses.replace(card, images_seen=images_seen)
    with torch.no_grad():
        for name, value in network.state_dict().items():
            if stored_as_half(name, value):
                value.copy_(value.half().float())
    if config.stage:
        save(target, network, card=card, generator=config.generator if encoder_only else "")
        add_graphs(target, target)
        return target
    model = InversionModel(network, fingerprint=bytes(32))

    faces: FaceSet | FaceMix
    if config.model.generator.base_styles:
        faces = FaceMix(
            config.data, COMPARED_SIDE, shares=config.shares, left_out=names_in(config.held_out)
        ).sample(FITTED)
        _tell_rate(network, config)
    else:
        faces = FaceSet(config.data, COMPARED_SIDE, every=every)
    codes = encode_set(model, faces)
    quantizers = _quantizers(config, codes)
    coded = [quantizer.quantise(codes) for quantizer in quantizers]
    bits = [q.ideal_bits(integers) for q, integers in zip(quantizers, coded, strict=True)]
    usual = int(np.argmin([abs(b.mean() - 8 * USUAL_BYTES) for b in bits]))
    for number, each in enumerate(bits, 1):
        log.info("quality %d: %.0f bits a face under its tables", number, each.mean())

    shown = quantizers[usual].dequantise(coded[usual])
    limits = fit_limits(model, faces.images, shown, bits[usual])
    log.info("faces that agree to less than %.1f dB will be rejected", limits.accept_psnr)
    save(
        target,
        network,
        quantizers=quantizers,
        quality=usual + 1,
        card=card,
        **dataclasses.asdict(limits),
    )
    add_graphs(target, target)
    return target


def _quantizers(config: TrainConfig, codes: NDArray[np.float32]) -> list[Quantizer]:
    """One for each quality, from coarse to fine; a single one where one step was trained for."""
    if config.step_low == config.step_high:
        return [fit_quantizer(codes, step=config.step_low)]
    steps = np.geomspace(COARSER * config.step_high, config.step_low / FINER, QUALITIES)
    if config.model.generator.base_styles:
        rows = config.model.generator.base_rows
        return [_rated(codes, float(step), rows) for step in steps]
    centre = codes.mean(0, dtype=np.float64).astype(np.float32)
    return [
        fit_quantizer(
            codes, step=step, w_avg=centre, classes=CLASSES, max_radius=2047, price=BIT_COST
        )
        for step in steps
    ]


def without_encoders(network: InversionNetwork) -> InversionNetwork:
    """The same generator and mean code, with the base alone in front of them."""
    with weightless():
        bare = InversionNetwork(dataclasses.replace(network.config, stages=0))
    bare.generator, bare.w_avg = network.generator, network.w_avg
    return bare


def _tell_rate(network: InversionNetwork, config: TrainConfig) -> None:
    """Let codes that are not rounded be taken for those of the finest step."""
    network.w_avg[RATE_ROW, 0] = math.log(config.step_low)


def _rated(codes: NDArray[np.float32], step: float, rows: int) -> Quantizer:
    """Quantizer of a network with base styles: its centre tells the generator the step.

    Tables are fitted to the rows of the base; the others have one in which 0 costs nothing.
    """
    shape = codes.shape[1:]
    fitted = fit_quantizer(
        codes[:, :rows],
        step=step,
        w_avg=np.zeros((rows, shape[1]), np.float32),
        classes=CLASSES,
        max_radius=MAX_RADIUS,
        price=BIT_COST,
    )
    silent = np.ones((1, fitted.tables.shape[1]), np.uint32)
    silent[0, fitted.radius] = (1 << TABLE_BITS) - fitted.tables.shape[1] + 1
    centre, steps = np.zeros(shape, np.float32), np.full(shape, step, np.float32)
    index = np.full(shape, len(fitted.tables), np.uint8)
    index[:rows] = fitted.table_index
    centre[RATE_ROW, 0] = math.log(step)
    steps[RATE_ROW] = UNSENT
    return Quantizer(
        w_avg=centre,
        step=steps,
        table_index=index,
        tables=np.concatenate([fitted.tables, silent]),
        price=BIT_COST,
    )
