"""Model files made to hurt: most of them once hung, filled the memory or broke the reader."""

import json
import time

import numpy as np
import pytest
import safetensors.torch
import torch

import e2style
from e2style.checkpoints.saving import save
from e2style.checkpoints.tensors import read_content
from e2style.checkpoints.untrusted import check_claims, check_settings
from e2style.errors import CheckpointError
from e2style.models.inversion import InversionNetwork
from e2style.quantizer import fit_quantizer
from e2style.settings import to_json


@pytest.fixture
def stored(tiny, tmp_path):
    codes = torch.randn(4, 6, 512, generator=torch.Generator().manual_seed(1)).numpy() * 3
    path = tmp_path / "tiny.safetensors"
    save(path, InversionNetwork(tiny).eval(), quantizers=[fit_quantizer(codes)])
    return path


@pytest.fixture
def rewrite(stored, tmp_path):
    """Return a function that writes the model again with changes, and gives the new path."""

    def write(config=None, tensors=None, **fields):
        with safetensors.safe_open(stored, "pt") as file:
            header = file.metadata() | fields
            values = {name: file.get_tensor(name) for name in file.keys()} | (tensors or {})
        if config is not None:
            header["config"] = config(json.loads(header["config"]))
        path = tmp_path / "hostile.safetensors"
        safetensors.torch.save_file(values, path, header)
        return path

    return write


def changed(part, key, value):
    def change(config):
        (config[part] if part else config)[key] = value
        return json.dumps(config)

    return change


@pytest.mark.parametrize(
    "config",
    [
        lambda _: "[]",
        lambda _: "null",
        lambda _: "7",
        lambda _: "{",
        lambda _: "[" * 100_000,
        lambda c: json.dumps(c).replace("{", '{"size": 1e999, ', 1),
        changed("generator", "size", float("inf")),
        changed("generator", "size", float("nan")),
        changed("generator", "mapping_layers", 10**9),
        changed("encoder", "units", [10**9] * 3),
        changed("encoder", "units", ["a"] * 3),
        changed("encoder", "pools", [[1]] * 3),
        changed("encoder", "pools", 3),
        changed("encoder", "widths", [8] * 10_000),
        changed("encoder", "image_size", 10**12),
        changed(None, "iterations", 10**9),
        changed(None, "name", "a\x1b[2Jb"),
        changed(None, "name", "a" * 10_000),
    ],
)
def test_configs_out_of_proportion_are_refused_at_once(rewrite, config):
    start = time.monotonic()
    with pytest.raises(CheckpointError):
        e2style.load(rewrite(config))
    assert time.monotonic() - start < 60  # a hang, not a benchmark


@pytest.mark.parametrize("card", ["[]", "7", '{"name": 1}', "{"])
def test_odd_cards_are_refused(rewrite, card):
    with pytest.raises(CheckpointError):
        e2style.load(rewrite(card=card))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("table_index", lambda t: t.to(torch.int8) - 1),
        ("table_index", lambda t: t.double()),
        ("tables", lambda t: t.to(torch.int64)),
        ("step", lambda t: t.half()),
        ("step", lambda t: t[:-1]),
        ("w_avg", lambda t: t * float("nan")),
        ("w_avg", lambda t: t.to(torch.bfloat16)),
        ("step", lambda t: t * 0 + 3e38),
    ],
)
def test_quantizers_of_other_types_shapes_or_values_are_refused(rewrite, stored, name, change):
    with safetensors.safe_open(stored, "pt") as file:
        value = change(file.get_tensor(f"quantizer.{name}"))
    with pytest.raises(CheckpointError):
        e2style.load(rewrite(tensors={f"quantizer.{name}": value.contiguous()}))


@pytest.mark.parametrize(
    "content",
    [
        {"state_dict": {"encoder_firststage.a": 7}},
        {"state_dict": {"encoder_firststage.": torch.zeros(())}},
        {"state_dict": {"encoder_firststage.input_layer.0.weight": torch.zeros(2)}},
        {"state_dict": {3: 4, "encoder_firststage.a": torch.zeros(1)}},
        {"state_dict": [1]},
        {"state_dict": {f"decoder.noises.noise_{i}": 0 for i in range(3000)} | {
            "encoder_firststage.a": 1, "decoder.convs.2998.conv.weight": torch.zeros(1, 1)}},
    ],
)  # fmt: skip
def test_odd_official_files_are_refused(tmp_path, content):
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError):
        e2style.load(path)


@pytest.mark.parametrize(
    "content", [7, {"g_ema": 7}, {"g_ema": {"noises.a": 1}}, {"g_ema": {1: 2}}]
)
def test_odd_generator_files_are_refused(tmp_path, content):
    path = tmp_path / "odd.pt"
    torch.save(content, path)
    with pytest.raises(CheckpointError):
        e2style.load_generator(path)


def test_tensors_without_room_in_the_file_are_refused(tmp_path):
    path = tmp_path / "wide.pt"
    wide = torch.zeros(1).expand(1 << 16, 1 << 16)  # 16 GiB from four bytes
    torch.save({"state_dict": {"encoder_firststage.a": wide}}, path)
    with pytest.raises(CheckpointError, match="claim to hold"):
        e2style.load(path)
    with pytest.raises(CheckpointError, match="claim to hold"):
        e2style.load_generator(path)
    check_claims({"a": [torch.zeros(100)], "b": "text"}, 400)


def test_arrays_that_grow_out_of_proportion_are_refused(tmp_path):
    path = tmp_path / "wide.npz"
    np.savez_compressed(path, a=np.zeros(1 << 24, np.float32))
    assert path.stat().st_size < 1 << 17
    with pytest.raises(CheckpointError, match="claim to hold"):
        e2style.load(path)
    np.savez(path, a=np.array([{}], dtype=object))
    with pytest.raises(CheckpointError, match="Python objects, which are never loaded"):
        e2style.load(path)


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit",))


@pytest.mark.parametrize("read", [e2style.load, e2style.header_of, e2style.fingerprint_of])
def test_what_holds_no_tensors_is_named(tmp_path, read):
    path = tmp_path / "odd.pt"
    for content in ("1,2\n", "\x80\x02abc", "", "hello, world, what a long text"):
        path.write_text(content, encoding="latin-1")
        with pytest.raises(CheckpointError, match=r"odd\.pt") as caught:
            if content[:1] == "\x80" and read is e2style.header_of:
                read_content(path)
            read(path)
        assert "101" not in str(caught.value)
    with pytest.raises(CheckpointError, match="cannot be read"):
        read(tmp_path)


def test_no_advice_to_load_in_an_unsafe_way(tmp_path):
    torch.save({"a": Evil()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="Python objects, which are never loaded") as caught:
        e2style.load(tmp_path / "evil.pt")
    assert "weights_only" not in str(caught.value)


def test_ordinary_settings_pass(tiny):
    check_settings(json.loads(to_json(tiny)))
    check_settings(json.loads(to_json(e2style.InversionConfig())))


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "{", '{"__metadata__": [1]}', "\udcff"])
def test_odd_headers_are_refused_by_the_quick_reader_too(tmp_path, text):
    path = tmp_path / "odd.safetensors"
    raw = text.encode("utf-8", "surrogatepass")
    path.write_bytes(len(raw).to_bytes(8, "little") + raw)
    with pytest.raises(CheckpointError):
        e2style.header_of(path)
    if "metadata" not in text:
        with pytest.raises(CheckpointError):
            e2style.fingerprint_of(path)
