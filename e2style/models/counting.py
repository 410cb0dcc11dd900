"""Parameter counts as the paper's tables print them."""

from __future__ import annotations

from torch import nn

from e2style.config import InversionConfig
from e2style.models.inversion import InversionNetwork, weightless
from e2style.models.irse import group
from e2style.models.irse50 import UNITS, WIDTHS
from e2style.models.ops import EqualLinear


def count_parameters(config: InversionConfig) -> dict[str, int]:
    """Trainable parameters of a member of the family, built without memory for its weights.

    The paper's Param columns of Tables I, III and IV agree with `counted` in every row: what
    a tool finds that knows the usual kinds of layers and looks at those that run.

    Returns
    -------
    dict with
        `encoder` : all stages, every parameter that takes part ("live")
        `counted` : the same without EqualLinear layers, which such a tool does not know
        `stored` : `encoder` and what the released code stores beside it: the groups of the
            trunk of IR-SE50 behind the deepest tap, which never run
        `generator`, `total` : total is encoder and generator

    Examples
    --------
    >>> from e2style import InversionConfig, count_parameters
    >>> counts = count_parameters(InversionConfig())
    >>> counts["encoder"], counts["stored"]
    (84920896, 98134592)
    """
    with weightless():
        network = InversionNetwork(config)
    encoder = _count(network.encoders)
    equal = sum(_count(m) for m in network.encoders.modules() if isinstance(m, EqualLinear))
    generator = _count(network.generator)
    return {
        "encoder": encoder,
        "counted": encoder - equal,
        "stored": encoder + config.stages * _never_run(config),
        "generator": generator,
        "total": encoder + generator,
    }


def _never_run(config: InversionConfig) -> int:
    """Parameters of the groups of IR-SE50 that lie behind the deepest tap of a full-size trunk."""
    depth = len(config.encoder.widths)
    shape = (config.encoder.widths, config.encoder.units)
    if config.encoder.trunk != "irse" or shape != (WIDTHS[:depth], UNITS[:depth]):
        return 0
    with weightless():
        groups = [group(WIDTHS[k - 1], WIDTHS[k], UNITS[k]) for k in range(depth, len(WIDTHS))]
    return sum(_count(part) for part in groups)


def _count(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())
