import pytest
import torch

from e2style.config import GeneratorConfig
from e2style.models.generator import Generator, StyledConv
from e2style.models.ops import (
    _CONSTANTS,
    modulated_conv,
    modulated_conv_reference,
    styled_conv,
    up_weight,
    upsample,
    upsample_reference,
)
from e2style.models.reference import ReferenceGenerator


@pytest.mark.parametrize("up", [False, True])
@pytest.mark.parametrize("demodulate", [False, True])
@pytest.mark.parametrize("kernel", [1, 3])
def test_scaled_activations_equal_scaled_weights(up, demodulate, kernel):
    if up and kernel == 1:
        pytest.skip("only 3x3 convolutions double the side")
    source = torch.Generator().manual_seed(1)
    x = torch.randn(2, 5, 6, 6, generator=source, dtype=torch.float64)
    weight = torch.randn(4, 5, kernel, kernel, generator=source, dtype=torch.float64)
    style = torch.randn(2, 5, generator=source, dtype=torch.float64)
    got = modulated_conv(x, weight, style, demodulate=demodulate, up=up)
    wanted = modulated_conv_reference(x, weight, style, demodulate=demodulate, up=up)
    # Demodulation is computed in float32 on purpose, whatever the features are in.
    torch.testing.assert_close(got, wanted, rtol=1e-6, atol=1e-6)


def test_polyphase_upsampling_equals_zero_insertion_and_filter():
    x = torch.randn(2, 3, 7, 7, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(upsample(x), upsample_reference(x))


def test_training_works_after_inference_in_one_process():
    _CONSTANTS.clear()
    weight = torch.ones(1, 1, 3, 3, requires_grad=True)
    with torch.inference_mode():
        up_weight(torch.ones(1, 1, 3, 3))
    up_weight(weight).sum().backward()
    assert weight.grad is not None


def test_gradients_agree_with_the_reference():
    source = torch.Generator().manual_seed(3)
    x = torch.randn(1, 3, 4, 4, generator=source)
    style = torch.randn(1, 3, generator=source)
    weight = torch.randn(2, 3, 3, 3, generator=source)
    grads = []
    for conv in (modulated_conv, modulated_conv_reference):
        w = weight.clone().requires_grad_()
        conv(x, w, style, up=True).square().sum().backward()
        grads.append(w.grad)
    torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("up", [False, True])
def test_the_quick_form_of_a_layer_equals_its_definition(up):
    source = torch.Generator().manual_seed(4)
    x = torch.randn(2, 5, 6, 6, generator=source)
    weight = torch.randn(4, 5, 3, 3, generator=source)
    style = torch.randn(2, 5, generator=source)
    bias = torch.randn(4, generator=source)
    side = 12 if up else 6
    noise = torch.randn(1, 1, side, side, generator=source)
    got = styled_conv(x, weight, style, noise, bias, up=up)
    y = modulated_conv_reference(x, weight, style, up=up) + noise + bias[None, :, None, None]
    wanted = torch.nn.functional.leaky_relu(y, 0.2) * 2**0.5
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


def test_every_path_of_the_generator_paints_what_the_reference_paints():
    torch.manual_seed(5)
    config = GeneratorConfig(size=128, style_dim=8, channel_base=256, channel_max=6)
    generator = Generator(config).eval()
    generator.seed_noise(5)
    for layer in generator.modules():
        if isinstance(layer, StyledConv):
            torch.nn.init.constant_(layer.noise_gain, 0.3)
            torch.nn.init.normal_(layer.bias)
    codes = torch.randn(2, config.n_codes, 8)
    wanted = ReferenceGenerator(generator)(codes)
    with_gradients = generator(codes)
    with torch.no_grad():
        together = generator(codes)
        one = generator(codes[1:])
    for got in (with_gradients, together):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(one, wanted[1:], rtol=1e-4, atol=1e-4)


def test_gradients_through_a_frozen_generator_are_those_of_the_reference():
    torch.manual_seed(6)
    config = GeneratorConfig(size=128, style_dim=8, channel_base=256, channel_max=6)
    generator = Generator(config).eval().requires_grad_(False)
    generator.seed_noise(6)
    codes = torch.randn(2, config.n_codes, 8)
    pull = torch.randn(2, 3, 128, 128)
    grads = []
    for paint in (generator, ReferenceGenerator(generator)):
        for batch in ((0, 2), (1, 2)):
            part = codes[slice(*batch)].clone().requires_grad_()
            (paint(part) * pull[slice(*batch)]).sum().backward()
            grads.append(part.grad)
    for got, wanted in zip(grads[:2], grads[2:], strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-3 * float(wanted.abs().max()))


def test_every_picture_may_have_noise_of_its_own():
    source = torch.Generator().manual_seed(7)
    x, style = torch.randn(2, 5, 6, 6, generator=source), torch.randn(2, 5, generator=source)
    weight, bias = torch.randn(4, 5, 3, 3, generator=source), torch.zeros(4)
    noise = torch.randn(2, 1, 6, 6, generator=source)
    both = styled_conv(x, weight, style, noise, bias, up=False)
    for k in range(2):
        part = slice(k, k + 1)
        one = styled_conv(x[part], weight, style[part], noise[part], bias, up=False)
        torch.testing.assert_close(both[part], one)
