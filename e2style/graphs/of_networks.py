"""Graphs of the networks that model files hold, by the names that programs run them under."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from e2style.graphs.format import BATCH, Graph
from e2style.graphs.models import GENERATE, invert_name
from e2style.graphs.tracing import trace
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.models.irse50 import IRSE50
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.mtcnn import Cascade, OutputNetwork, RefinementNetwork
from e2style.models.recognisers import CurricularFace, DlibResNet, SmallRecogniser

__all__ = ["graphs_of"]

RECOGNISE = "recognise"
RECOGNISED_SIDE = 256  # at which recognisers are shown faces
_RECOGNISERS = (SmallRecogniser, CurricularFace, DlibResNet, IRSE50, MobileFaceNet)


class _Part(nn.Module):
    """A function of a network as a network, with the tensors under the names of the file."""

    def __init__(self, network: nn.Module, function: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self._function = function

    def forward(self, *arguments: Tensor) -> Any:
        """Whatever the function makes of tensors."""
        return self._function(*arguments)


def graphs_of(network: nn.Module) -> dict[str, Graph]:
    """Graphs of a network, by name; none of one that only trainings and measurements run.

    Parameters
    ----------
    network : in eval mode, with its weights

    Raises
    ------
    CheckpointError : an operator has no counterpart
    """
    if isinstance(network, InversionNetwork):
        return _inversion(network)
    if isinstance(network, Generator):
        codes = (BATCH, network.config.n_codes, network.config.style_dim)
        return {GENERATE: trace(network, {"codes": codes})}
    if isinstance(network, _RECOGNISERS):
        images = (BATCH, 3, RECOGNISED_SIDE, RECOGNISED_SIDE)
        return {RECOGNISE: trace(network, {"images": images})}
    if isinstance(network, Cascade):
        sides = (RefinementNetwork.side, OutputNetwork.side)
        return {
            "pnet": trace(network.pnet, {"images": (BATCH, 3, "H", "W")}, "pnet."),
            "rnet": trace(network.rnet, {"windows": (BATCH, 3, sides[0], sides[0])}, "rnet."),
            "onet": trace(network.onet, {"windows": (BATCH, 3, sides[1], sides[1])}, "onet."),
        }
    return {}


def _inversion(network: InversionNetwork) -> dict[str, Graph]:
    config = network.config
    images = (BATCH, config.encoder.in_channels, config.image_size, config.image_size)
    codes = (BATCH, config.generator.n_codes, config.generator.style_dim)

    def first(x: Tensor) -> Tensor:
        return network.step(x, None, 1)

    graphs = {
        invert_name(1): trace(_Part(network, first), {"images": images}),
        GENERATE: trace(_Part(network, network.synthesize), {"codes": codes}),
    }
    # Every later run of ReStyle's encoder is the same one.
    for number in range(2, min(config.steps, 2 if config.iterations else config.steps) + 1):

        def later(x: Tensor, before: Tensor, number: int = number) -> Tensor:
            return network.step(x, before, number)

        inputs = {"images": images, "codes": codes}
        graphs[invert_name(number)] = trace(_Part(network, later), inputs)
    return graphs
