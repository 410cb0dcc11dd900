"""A model file of a real network with random weights, small enough to be made in a moment."""


def write_tiny_model(path, seed=0):
    import torch

    import e2style
    from e2style.models.inversion import InversionNetwork
    from e2style.quantizer import fit_quantizer

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        config = e2style.InversionConfig(
            name="tiny",
            generator=e2style.GeneratorConfig(
                size=32, mapping_layers=0, channel_base=512, channel_max=16
            ),
            encoder=e2style.EncoderConfig(
                image_size=64, widths=(8, 8, 8), units=(1, 1, 1), pools=(1, 1, 1), split=(2, 2, 4)
            ),
        )
        network = InversionNetwork(config).eval()
        with torch.no_grad():
            codes = network.invert(torch.rand(8, 3, 64, 64) * 2 - 1, None).numpy()
    quantizer = fit_quantizer(codes, step=float(codes.std()), classes=4)
    e2style.save(path, network, quantizers=[quantizer])
    return path
