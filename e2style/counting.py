"""Parameter counts as the paper's tables print them."""

from __future__ import annotations

from e2style.config import InversionConfig
from e2style.models.inversion import InversionNetwork, weightless


def count_parameters(config: InversionConfig) -> dict[str, int]:
    """Trainable parameters of a member of the family, built without memory for its weights.

    Returns
    -------
    dict with `encoder` (all stages: the Param column of Tables I and III), `generator`, `total`

    Examples
    --------
    >>> from e2style import InversionConfig, count_parameters
    >>> count_parameters(InversionConfig())["encoder"]
    84920896
    """
    with weightless():
        network = InversionNetwork(config)
    encoder = sum(p.numel() for p in network.encoders.parameters())
    generator = sum(p.numel() for p in network.generator.parameters())
    return {"encoder": encoder, "generator": generator, "total": encoder + generator}
