"""Files of pSp, e4e, ReStyle and IDGI: names of their tensors, what is computed, what is rejected.

The files are synthetic, with the names and shapes that the programs write; their encoders are run
below, in the words of those programs, on the tensors of the file itself.
"""

import re
import zlib

import pytest
import torch
import torch.nn.functional as F

import e2style
from e2style.checkpoints.baselines import read_baseline
from e2style.checkpoints.networks import load_network, save_network
from e2style.errors import CheckpointError
from e2style.models.idgi import IDGIEncoder

DIM = 512
UNITS = [(64, 64, 2), *[(64, 64, 1)] * 2, (64, 128, 2), *[(128, 128, 1)] * 3, (128, 256, 2)]
UNITS += [*[(256, 256, 1)] * 13, (256, 512, 2), *[(512, 512, 1)] * 2]


def _norm(name, width, shape):
    shape |= {f"{name}.{leaf}": (width,) for leaf in ("weight", "bias")}
    shape |= {f"{name}.running_mean": (width,), f"{name}.running_var": (width,)}
    shape[f"{name}.num_batches_tracked"] = ()


def _trunk(channels):
    shape = {"input_layer.0.weight": (64, channels, 3, 3), "input_layer.2.weight": (64,)}
    _norm("input_layer.1", 64, shape)
    for k, (n_in, n_out, _) in enumerate(UNITS):
        name = f"body.{k}"
        if n_in != n_out:
            shape[f"{name}.shortcut_layer.0.weight"] = (n_out, n_in, 1, 1)
            _norm(f"{name}.shortcut_layer.1", n_out, shape)
        _norm(f"{name}.res_layer.0", n_in, shape)
        shape[f"{name}.res_layer.1.weight"] = (n_out, n_in, 3, 3)
        shape[f"{name}.res_layer.2.weight"] = (n_out,)
        shape[f"{name}.res_layer.3.weight"] = (n_out, n_out, 3, 3)
        _norm(f"{name}.res_layer.4", n_out, shape)
        shape[f"{name}.res_layer.5.fc1.weight"] = (n_out // 16, n_out, 1, 1)
        shape[f"{name}.res_layer.5.fc2.weight"] = (n_out, n_out // 16, 1, 1)
    return shape


def _heads(pyramid, rows):
    """A chain of convolutions per row, over maps of side 16, or 32 and 64 behind the pyramid."""
    shape = {}
    for row in range(rows):
        halvings = 4 if not pyramid or row < 3 else 5 if row < 7 else 6
        for k in range(halvings):
            shape[f"styles.{row}.convs.{2 * k}.weight"] = (DIM, DIM, 3, 3)
            shape[f"styles.{row}.convs.{2 * k}.bias"] = (DIM,)
        shape[f"styles.{row}.linear.weight"] = (DIM, DIM)
        shape[f"styles.{row}.linear.bias"] = (DIM,)
    if pyramid:
        for name, width in (("latlayer1", 256), ("latlayer2", 128)):
            shape[f"{name}.weight"] = (DIM, width, 1, 1)
            shape[f"{name}.bias"] = (DIM,)
    return shape


def _decoder(size):
    """The names of rosinality's generator, 16 channels everywhere."""
    width, convs = 16, 2 * (size.bit_length() - 3)
    shape = {"input.input": (1, width, 4, 4)}
    for k in range(1, 3):
        shape |= {f"style.{k}.weight": (DIM, DIM), f"style.{k}.bias": (DIM,)}
    for number in range(convs + 1):
        name = f"convs.{number - 1}" if number else "conv1"
        shape[f"{name}.conv.weight"] = (1, width, width, 3, 3)
        shape[f"{name}.conv.modulation.weight"] = (width, DIM)
        shape[f"{name}.conv.modulation.bias"] = (width,)
        shape[f"{name}.noise.weight"] = (1,)
        shape[f"{name}.activate.bias"] = (width,)
        if number % 2:
            shape[f"{name}.conv.blur.kernel"] = None
        side = 4 << ((number + 1) // 2)
        shape[f"noises.noise_{number}"] = (1, 1, side, side)
    for number in range(convs // 2 + 1):
        name = f"to_rgbs.{number - 1}" if number else "to_rgb1"
        shape[f"{name}.conv.weight"] = (1, 3, width, 1, 1)
        shape[f"{name}.conv.modulation.weight"] = (width, DIM)
        shape[f"{name}.conv.modulation.bias"] = (width,)
        shape[f"{name}.bias"] = (1, 3, 1, 1)
        if number:
            shape[f"{name}.upsample.kernel"] = None
    return shape


def _fill(shapes):
    """Values cut from one pool of random numbers, at a place that the key says."""
    pool = torch.randn(1 << 22, generator=torch.Generator().manual_seed(3))
    state = {}
    for key, shape in shapes.items():
        if shape is None:
            row = torch.tensor([1.0, 3.0, 3.0, 1.0])
            state[key] = row[:, None] * row / 16
        elif key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(1)
        elif key.endswith("running_var"):
            state[key] = torch.rand(shape) + 0.5
        else:
            size, fan_in = torch.Size(shape).numel(), max(torch.Size(shape[1:]).numel(), 1)
            begin = zlib.crc32(key.encode()) % (len(pool) - size)
            state[key] = (pool[begin : begin + size] / fan_in**0.5).reshape(shape)
    return state


def _file(kind, size=32, channels=3, *, pyramid=True):
    rows = 2 * (size.bit_length() - 1) - 2
    encoder = _fill(_trunk(channels) | _heads(pyramid, rows))
    state = {f"encoder.{k}": v for k, v in encoder.items()}
    state |= {f"decoder.{k}": v for k, v in _fill(_decoder(size)).items()}
    mean = torch.randn(rows, DIM)
    options = {"encoder_type": kind, "start_from_latent_avg": True, "device": "cuda:0"}
    return {"state_dict": state, "latent_avg": mean, "opts": options}


def _bn(x, state, name):
    stats = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(x, *stats, state[f"{name}.weight"], state[f"{name}.bias"])


def _run_trunk(x, state):
    """Features behind units 6, 20 and 23 of the flat list."""
    x = F.conv2d(x, state["input_layer.0.weight"], padding=1)
    x = F.prelu(_bn(x, state, "input_layer.1"), state["input_layer.2.weight"])
    kept = []
    for k, (n_in, n_out, stride) in enumerate(UNITS):
        name = f"body.{k}."
        res = f"{name}res_layer"
        short = x[:, :, ::stride, ::stride]
        if n_in != n_out:
            short = F.conv2d(short, state[f"{name}shortcut_layer.0.weight"])
            short = _bn(short, state, f"{name}shortcut_layer.1")
        y = F.conv2d(_bn(x, state, f"{res}.0"), state[f"{res}.1.weight"], padding=1)
        y = F.prelu(y, state[f"{res}.2.weight"])
        y = _bn(F.conv2d(y, state[f"{res}.3.weight"], None, stride, 1), state, f"{res}.4")
        gate = F.conv2d(y.mean((2, 3), keepdim=True), state[f"{res}.5.fc1.weight"]).relu()
        x = short + y * F.conv2d(gate, state[f"{res}.5.fc2.weight"]).sigmoid()
        if k in {6, 20, 23}:
            kept.append(x)
    return kept


def _run_style(x, state, row):
    name = f"styles.{row}"
    k = 0
    while f"{name}.convs.{k}.weight" in state:
        x = F.conv2d(x, state[f"{name}.convs.{k}.weight"], state[f"{name}.convs.{k}.bias"], 2, 1)
        x = F.leaky_relu(x)
        k += 2
    weight = state[f"{name}.linear.weight"] / DIM**0.5
    return F.linear(x.flatten(1), weight, state[f"{name}.linear.bias"])


def _larger(x, y):
    return F.interpolate(x, y.shape[2:], mode="bilinear", align_corners=True) + y


@torch.inference_mode()
def _run_psp(x, state, rows):
    c1, c2, c3 = _run_trunk(x, state)
    p2 = _larger(c3, F.conv2d(c2, state["latlayer1.weight"], state["latlayer1.bias"]))
    p1 = _larger(p2, F.conv2d(c1, state["latlayer2.weight"], state["latlayer2.bias"]))
    levels = [c3] * 3 + [p2] * 4 + [p1] * (rows - 7)
    return torch.stack([_run_style(m, state, k) for k, m in enumerate(levels)], 1)


def _apart(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def _encoder_of(content):
    return {
        k.removeprefix("encoder."): v
        for k, v in content["state_dict"].items()
        if k.startswith("encoder.")
    }


@pytest.mark.slow
def test_files_of_psp_and_e4e_compute_what_their_programs_do(tmp_path):
    content = _file("GradualStyleEncoder")
    torch.save(content, tmp_path / "psp.pt")
    model = e2style.load(tmp_path / "psp.pt")
    assert (model.name, model.n_codes, model.output_size) == ("psp-official", 8, 32)
    # In double precision: an untrained encoder magnifies what rounding changes a thousandfold.
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64) * 2 - 1
    state = {k: v.double() if v.is_floating_point() else v for k, v in _encoder_of(content).items()}
    rows, mean = _run_psp(x, state, 8), content["latent_avg"].double()
    with torch.inference_mode():
        assert _apart(model.network.double().invert(x, None), rows + mean) < 1e-6
    content["opts"]["encoder_type"] = "Encoder4Editing"
    torch.save(content, tmp_path / "e4e.pt")
    wanted = torch.cat([rows[:, :1], rows[:, 1:] + rows[:, :1]], 1) + mean
    with torch.inference_mode():
        found = e2style.load(tmp_path / "e4e.pt").network.double().invert(x, None)
    assert _apart(found, wanted) < 1e-6


@pytest.mark.slow
def test_files_of_restyle_refine_the_mean_face(tmp_path):
    content = _file("BackboneEncoder", size=32, channels=6, pyramid=False)
    content["opts"]["n_iters_per_batch"] = 2
    torch.save(content, tmp_path / "restyle.pt")
    model = e2style.load(tmp_path / "restyle.pt")
    assert (model.name, model.config.iterations) == ("restyle-official", 2)
    # In double precision: an untrained encoder magnifies what rounding changes a thousandfold.
    network = model.network.double()
    x = torch.rand(1, 3, 256, 256, dtype=torch.float64) * 2 - 1
    state = {
        key: value.double() if value.is_floating_point() else value
        for key, value in _encoder_of(content).items()
    }
    codes = content["latent_avg"][None].double()
    with torch.inference_mode():
        for steps in (1, 2):
            generated = F.interpolate(network.synthesize(codes), (256, 256), mode="bilinear")
            _, _, last = _run_trunk(torch.cat([x, generated], 1), state)
            wanted = codes + torch.stack([_run_style(last, state, k) for k in range(8)], 1)
            codes = network.invert(x, steps)
            assert _apart(codes, wanted) < 1e-4


@pytest.mark.slow
def test_wrong_files_of_baselines_say_what_is_wrong():
    def refused(change, message):
        content = _file("BackboneEncoder", size=16, channels=6, pyramid=False)
        change(content)
        with pytest.raises(CheckpointError, match=re.escape(message)):
            read_baseline(content)

    state = "state_dict"
    refused(
        lambda c: c["opts"].update(encoder_type="ResNetBackboneEncoder"),
        "encoder_type is 'ResNetBackboneEncoder', known are GradualStyleEncoder",
    )
    refused(lambda c: c.pop("opts"), "encoder_type is ''")
    refused(
        lambda c: c[state].pop("encoder.styles.2.convs.4.bias"),
        "restyle checkpoint: key 'encoder.styles.2.convs.4.bias' is missing",
    )
    refused(
        lambda c: c[state].update({"encoder.body.24.x": torch.zeros(1)}),
        "key 'encoder.body.24.x' is not known",
    )
    refused(lambda c: c[state].pop("encoder.input_layer.0.weight"), "input_layer.0.weight")
    refused(lambda c: c.update(latent_avg=torch.zeros(3, 3)), "latent_avg")


def test_a_mean_code_counts_only_where_the_options_say_so():
    content = _file("BackboneEncoder", size=16, channels=6, pyramid=False)
    assert torch.equal(read_baseline(content).w_avg, content["latent_avg"])
    content["opts"]["start_from_latent_avg"] = False
    assert not read_baseline(content).w_avg.any()


def _idgi(side=16):
    shape = {"block0.conv.weight": (8, 3, 3, 3)}
    _norm("block0.bn.bn", 8, shape)
    width = 8
    last = side.bit_length() - 2
    for k in range(1, last):
        wider = min(2 * width, 16)
        if wider != width:
            shape[f"block{k}.conv.weight"] = (wider, width, 1, 1)
            _norm(f"block{k}.bn.bn", wider, shape)
        hidden = min(width, wider)
        shape[f"block{k}.conv1.weight"] = (hidden, width, 3, 3)
        shape[f"block{k}.conv2.weight"] = (wider, hidden, 3, 3)
        for conv, n in (("1", hidden), ("2", wider)):
            shape[f"block{k}.wscale{conv}.bias"] = (n,)
            _norm(f"block{k}.bn{conv}.bn", n, shape)
        width = wider
    shape[f"block{last}.fc.weight"] = (2 * last * DIM, width * 16)
    _norm(f"block{last}.bn.bn", 2 * last * DIM, shape)
    return _fill(shape)


@torch.inference_mode()
def _run_idgi(x, state, last):
    def conv(x, name, norm, bias=None):
        weight = state[name]
        x = F.conv2d(x, weight, bias, padding=weight.shape[-1] // 2)
        return F.leaky_relu(_bn(x, state, norm), 0.2)

    x = conv(x, "block0.conv.weight", "block0.bn.bn")
    for k in range(1, last):
        x = F.avg_pool2d(x, 2)
        name = f"block{k}"
        short = conv(x, f"{name}.conv.weight", f"{name}.bn.bn") if f"{name}.conv.weight" in state \
            else x  # fmt: skip
        x = conv(x, f"{name}.conv1.weight", f"{name}.bn1.bn", state[f"{name}.wscale1.bias"])
        x = conv(x, f"{name}.conv2.weight", f"{name}.bn2.bn", state[f"{name}.wscale2.bias"])
        x = x + short
    x = x.flatten(1)
    rows = F.linear(x, state[f"block{last}.fc.weight"]) / x.shape[1] ** 0.5
    return _bn(rows, state, f"block{last}.bn.bn").reshape(len(x), -1, DIM)


def test_files_of_idgi_compute_what_their_program_does(tmp_path):
    state = _idgi()
    torch.save(state, tmp_path / "encoder.pth")
    encoder = load_network(tmp_path / "encoder.pth")
    assert isinstance(encoder, IDGIEncoder)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    codes = _run_idgi(x, state, 3)
    assert codes.shape == (2, 6, 512)
    torch.testing.assert_close(encoder(x), codes, rtol=1e-4, atol=1e-5)
    save_network(tmp_path / "encoder.safetensors", encoder)
    torch.testing.assert_close(load_network(tmp_path / "encoder.safetensors")(x), encoder(x))
    with pytest.raises(CheckpointError, match="cannot invert"):
        e2style.load_model(tmp_path / "encoder.pth")
    del state["block2.wscale1.bias"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"block2\.wscale1\.bias"):
        load_network(tmp_path / "less.pth")
