"""Graphs of networks compute what torch computes, for batches of every size."""

import dataclasses

import numpy as np
import pytest
import torch

import e2style
from e2style.config import EncoderConfig, GeneratorConfig
from e2style.errors import CheckpointError
from e2style.graphs.format import BATCH
from e2style.graphs.of_networks import graphs_of
from e2style.graphs.sessions import Networks
from e2style.graphs.tracing import trace
from e2style.models.generator import Generator
from e2style.models.inversion import InversionNetwork
from e2style.models.recognisers import SmallRecogniser

NARROW = EncoderConfig(
    image_size=32, widths=(4, 6, 8), units=(1, 1, 2), pools=(2, 3, 2), split=(2, 2, 4)
)
PLAIN = e2style.InversionConfig(
    name="plain",
    generator=GeneratorConfig(size=32, mapping_layers=0, channel_base=128, channel_max=8),
    encoder=NARROW,
)
BASED = GeneratorConfig(
    size=32, mapping_layers=0, channel_base=128, channel_max=8, base_side=4, base_rows=1,
    base_channels=4,
)  # fmt: skip
STYLED = dataclasses.replace(BASED, base_styles=True, base_metric=3)
CONFIGS = {
    "three stages": dataclasses.replace(PLAIN, stages=3),
    "whole codes": dataclasses.replace(PLAIN, stages=2, residual=False),
    "convolutional heads": dataclasses.replace(
        PLAIN, encoder=dataclasses.replace(NARROW, head="conv", pyramid=6, deltas=True)
    ),
    "bottleneck": dataclasses.replace(PLAIN, encoder=dataclasses.replace(NARROW, head_rank=3)),
    "restyle": dataclasses.replace(PLAIN, iterations=3),
    "base": dataclasses.replace(PLAIN, generator=BASED, stages=2),
    "base styles": dataclasses.replace(PLAIN, generator=STYLED, stages=2),
    "base alone": dataclasses.replace(
        PLAIN, generator=dataclasses.replace(STYLED, base_smooth=True), stages=0
    ),
    "sketches": dataclasses.replace(PLAIN, encoder=dataclasses.replace(NARROW, in_channels=1)),
}


def _network(config):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = InversionNetwork(config)
        for name, value in (*network.named_parameters(), *network.named_buffers()):
            if name.endswith(("odd", "num_batches_tracked")):
                continue
            noisy = 0.2 * torch.randn(value.shape)
            value.data.add_(noisy.abs() if name.endswith(("var", "spread", "scale")) else noisy)
        if network.generator.base is not None:
            network.generator.base.odd[::2] = True
    return network.eval().requires_grad_(False)


def _running(network, prefix=""):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    return Networks(
        graphs_of(network), lambda key: np.ascontiguousarray(state[key].numpy()), "a model"
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_graphs_compute_what_networks_compute(name):
    config = CONFIGS[name]
    network = _network(config)
    networks = _running(network, "network.")
    generator = torch.Generator().manual_seed(4)
    channels = config.encoder.in_channels
    side = config.image_size
    images = torch.rand(4, channels, side, side, generator=generator) * 2 - 1
    for batch in (1, 4):
        x, codes = images[:batch], None
        for step in range(1, max(config.steps, 1) + 1):
            with torch.no_grad():
                wanted = network.invert(x, step if config.steps else None).numpy()
            if codes is None:
                (codes,) = networks.run("invert.1", x.numpy())
            else:
                graph = f"invert.{2 if config.iterations else step}"
                (codes,) = networks.run(graph, x.numpy(), codes)
            np.testing.assert_allclose(codes, wanted, atol=2e-4 * np.abs(wanted).max())
        with torch.no_grad():
            shown = network.synthesize(torch.from_numpy(wanted)).numpy()
        (found,) = networks.run("generate", wanted)
        np.testing.assert_allclose(found, shown, atol=1e-4 * np.abs(shown).max())


def test_a_small_result_of_weights_is_a_constant_and_weights_are_none():
    network = _network(CONFIGS["base styles"])
    graph = graphs_of(network)["invert.1"]
    assert "network.generator.base.metric_even" in graph.weights
    assert sum(value.nbytes for value in graph.constants.values()) < 1 << 14
    # The weights of the base are taken in two shapes and stored in none of them.
    assert {name for name, _ in graph.views.values()} >= {"network.generator.base.weight"}


def test_generators_and_recognisers_alone_have_graphs_too():
    config = GeneratorConfig(size=16, mapping_layers=2, channel_base=128, channel_max=8)
    generator = Generator(config).eval()
    codes = torch.randn(2, 6, 512, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = generator(codes).numpy()
    (found,) = _running(generator).run("generate", codes.numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-4 * np.abs(wanted).max())
    recogniser = SmallRecogniser().eval()
    images = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        wanted = recogniser(images).numpy()
    (found,) = _running(recogniser).run("recognise", images.numpy())
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert graphs_of(torch.nn.Identity()) == {}


class Odd(torch.nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: torch.fft.fft(x).real, "no counterpart"),
        (lambda x: x**3, "power of 3"),
        (lambda x: x + 1 if len(x) > 2 else x - 1, "size of the batch"),
    ],
)
def test_what_has_no_counterpart_is_named(function, match):
    with pytest.raises(CheckpointError, match=match):
        trace(Odd(function), {"x": (BATCH, 4)})
