"""NVIDIA's files: read as data, converted, and computed as an independent reference does."""

import io
import os
import pickle
import pickletools
import struct

import numpy as np
import pytest
import torch
from nvidia_files import SOURCE, state_of, write_ada, write_tensorflow
from stylegan2_oracle import mapping, synthesis

import e2style
from e2style.checkpoints import nvidia, pickled
from e2style.checkpoints.convert import convert
from e2style.checkpoints.networks import load_generator
from e2style.errors import CheckpointError


@pytest.fixture(scope="module")
def state():
    return state_of()


def write_state(path, state):
    torch.save(state, path)


def write_named(path, state):
    torch.save({"G_ema": state}, path)


def write_plain(path, state):
    path.write_bytes(pickle.dumps(state))


WRITERS = [write_ada, write_tensorflow, write_state, write_named, write_plain]


@pytest.mark.parametrize("write", WRITERS)
def test_every_kind_of_file_generates_what_the_reference_does(state, tmp_path, write):
    path = tmp_path / "network.any"
    write(path, state)
    generator, mean = load_generator(path)
    config = generator.config
    assert (config.size, config.style_dim, config.mapping_layers, config.n_codes) == (16, 8, 2, 6)
    assert torch.equal(mean, state["mapping.w_avg"])
    assert isinstance(e2style.load(path), type(generator))
    codes = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(2))
    got = generator(codes).numpy()
    plain = {key: value.numpy() for key, value in state.items()}
    wanted = np.stack([synthesis(plain, each) for each in codes.double().numpy()])
    assert np.abs(got - wanted).max() < 2e-5 * np.abs(wanted).max()
    z = torch.randn(4, 8, generator=torch.Generator().manual_seed(3))
    mapped = mapping(plain, z.double().numpy())
    assert np.abs(generator.mapping(z).numpy() - mapped).max() < 1e-5 * np.abs(mapped).max()


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_each_protocol_of_pickles_is_read(state, tmp_path, protocol):
    write_ada(tmp_path / "n.pkl", state, protocol=protocol)
    found = nvidia.read(tmp_path / "n.pkl")["G_ema"]
    assert set(found) == set(state)
    assert all(torch.equal(found[key], state[key]) for key in state)


def test_a_pickle_converts_to_a_file_that_generates_the_same(state, tmp_path):
    write_ada(tmp_path / "n.pkl", state)
    assert convert(tmp_path / "n.pkl", tmp_path / "n.safetensors") == "generator"
    codes = torch.randn(2, 6, 8)
    before = e2style.load_generator(tmp_path / "n.pkl")(codes)
    assert torch.equal(before, e2style.load_generator(tmp_path / "n.safetensors")(codes))
    mean = load_generator(tmp_path / "n.safetensors")[1]
    assert torch.equal(mean, state["mapping.w_avg"])


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"mapping.embed.weight": torch.ones(8, 2)}, "conditional"),
        ({"synthesis.b8.conv0.resample_filter": torch.ones(4, 4) / 16}, "filter"),
        ({"synthesis.b16.skip.weight": torch.ones(2)}, "not known"),
        ({"synthesis.b8.conv0.bias": torch.ones(9)}, "shape"),
        ({"synthesis.b8.conv0.bias": None}, "missing"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused_by_name(state, tmp_path, changes, word):
    changed = {k: v for k, v in (state | changes).items() if v is not None}
    write_ada(tmp_path / "n.pkl", changed)
    with pytest.raises(CheckpointError, match=word):
        e2style.load(tmp_path / "n.pkl")


def test_another_architecture_is_refused_by_name(state, tmp_path):
    write_ada(tmp_path / "n.pkl", state, architecture="resnet")
    with pytest.raises(CheckpointError, match="architecture 'resnet'"):
        e2style.load(tmp_path / "n.pkl")
    write_tensorflow(tmp_path / "t.pkl", state, label_size=10)
    with pytest.raises(CheckpointError, match="label_size 10"):
        e2style.load(tmp_path / "t.pkl")


# Hostile files: each would run a command, or take memory or time, in `pickle.load`.


class _Runs:
    """Runs a command when it is unpickled."""

    def __init__(self, marker):
        self.command = f"touch {marker}"

    def __reduce__(self):
        return os.system, (self.command,)


def test_a_pickle_that_would_run_a_command_is_refused_and_runs_nothing(state, tmp_path):
    marker = tmp_path / "ran"
    for number, content in enumerate(
        (_Runs(marker), {"G_ema": _Runs(marker)}, {"D": _Runs(marker), **state})
    ):
        path = tmp_path / f"{number}.pkl"
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(CheckpointError, match="system, a Python object"):
            e2style.load(path)
    assert not marker.exists()
    pickle.loads((tmp_path / "0.pkl").read_bytes())  # the file does what it says
    assert marker.exists()


def test_the_source_in_a_file_is_not_run(state, tmp_path):
    write_ada(tmp_path / "n.pkl", state)
    assert SOURCE.encode() in (tmp_path / "n.pkl").read_bytes()
    e2style.load(tmp_path / "n.pkl")


def test_names_inside_a_storage_are_checked_too(state, tmp_path):
    class Storage:
        def __reduce__(self):
            inner = b"".join(pickle.dumps(x, 2) for x in (1, 2, {}, _Runs(tmp_path / "ran"), []))
            return torch.storage._load_from_bytes, (inner,)

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (Storage(), 0, (1,), (1,), False, {})

    (tmp_path / "n.pkl").write_bytes(pickle.dumps(state | {"synthesis.b4.const": Tensor()}))
    with pytest.raises(CheckpointError, match="system"):
        e2style.load(tmp_path / "n.pkl")
    assert not (tmp_path / "ran").exists()


def _view(offset, size, stride, storage=None):
    storage = torch.ones(8)._typed_storage() if storage is None else storage

    class Tensor:
        def __reduce__(self):
            return torch._utils._rebuild_tensor_v2, (storage, offset, size, stride, False, {})

    return Tensor()


@pytest.mark.parametrize(
    "view",
    [
        (0, (1 << 40,), (0,)),
        (0, (9,), (1,)),
        (7, (2,), (1,)),
        (-1, (2,), (1,)),
        (0, (4,), (3,)),
        (0, (2, 2), (1,)),
        (0, (0,), (1,)),
        (0, (-2,), (1,)),
        (0, ("a",), (1,)),
    ],
)
def test_tensors_that_leave_their_storage_are_refused(state, tmp_path, view):
    hostile = state | {"synthesis.b4.const": _view(*view)}
    (tmp_path / "n.pkl").write_bytes(pickle.dumps(hostile))
    with pytest.raises(CheckpointError):
        e2style.load(tmp_path / "n.pkl")


def test_many_tensors_of_one_storage_are_refused(tmp_path):
    storage = torch.ones(50_000)._typed_storage()
    views = {f"k{k}": _view(0, (1,), (1,), storage) for k in range(100)}
    (tmp_path / "n.pkl").write_bytes(pickle.dumps({"synthesis.b4.const": views["k0"]} | views))
    with pytest.raises(CheckpointError, match="claim to hold"):
        e2style.load(tmp_path / "n.pkl")


def _bomb(count):
    """Tuples in tuples as a key, whose hash would take 2**count steps."""
    return b"\x80\x04}" + b")" + b"2\x86" * count + b"N" + b"s."


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04.",
        b"\x80\x04",
        b"\x80\x04K\x01",
        b"\x80\x04]" * 2 + b"R.",
        b"\x80\x04(((.",
        b"\x80\x04h\x05.",
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 62) + b"x.",
        b"\x80\x04\x82\x01.",
        b"\x80\x04}(K\x01e.",
        _bomb(60),
        b"\x80\x04" + b"(" * 90_000 + b"t" * 90_000 + b".",
        b"\x80\x04" + b"]" * 210_000 + b".",
    ],
)
def test_damaged_and_endless_pickles_are_refused(tmp_path, content):
    (tmp_path / "n.pkl").write_bytes(content)
    with pytest.raises(CheckpointError):
        e2style.load(tmp_path / "n.pkl")


def test_a_file_cut_anywhere_is_refused(state, tmp_path):
    write_ada(tmp_path / "n.pkl", state)
    whole = (tmp_path / "n.pkl").read_bytes()
    for length in np.linspace(3, len(whole) - 1, 40).astype(int):
        (tmp_path / "cut.pkl").write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            e2style.load(tmp_path / "cut.pkl")


def test_changed_bytes_end_in_a_model_or_in_an_error(state, tmp_path):
    write_ada(tmp_path / "n.pkl", state)
    whole = (tmp_path / "n.pkl").read_bytes()
    rng = np.random.default_rng(1)
    for _ in range(20):
        data = bytearray(whole)
        data[int(rng.integers(2, len(data)))] = int(rng.integers(256))
        (tmp_path / "other.pkl").write_bytes(bytes(data))
        try:
            nvidia.read(tmp_path / "other.pkl")
        except (CheckpointError, ValueError, struct.error, UnicodeDecodeError, RuntimeError):
            continue  # `e2style.load` makes one error of them


def test_every_instruction_is_known_or_refused():
    """No instruction of Python's table can be followed by accident."""
    machine = pickled._Machine({"a.b"})
    refused = set()
    for opcode in pickletools.opcodes:
        if opcode.name in {"PROTO", "FRAME", "STOP"} or opcode.name in machine.actions:
            continue
        try:
            machine.do(opcode.name, 0)
        except CheckpointError:
            refused.add(opcode.name)
    assert {"INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "NEXT_BUFFER"} <= refused
    assert "REDUCE" in machine.actions


def test_a_known_name_is_not_looked_up():
    made = pickled.interpret(io.BytesIO(b"\x80\x02cos\nsystem\nX\x01\0\0\0a\x85R."), {"os.system"})
    assert made == pickled.Call("os.system", ("a",))
