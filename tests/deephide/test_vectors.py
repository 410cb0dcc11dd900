"""The frozen vectors of the format; see tests/vectors/container/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest

import deephide
from deephide import container, crypto, hiding, image_io, keystream, latent_codec
from e2style.quantizer import Quantizer

FOLDER = Path(__file__).parents[1] / "vectors" / "container"
CONTAINERS = json.loads((FOLDER / "container.json").read_text())
LATENT = json.loads((FOLDER / "latent.json").read_text())
ORDERS = json.loads((FOLDER / "order.json").read_text())


def unlock(entry):
    zones = container.Zones(entry["width"] * entry["height"] * entry["channels"])
    fingerprint, salt, length, body = (
        bytes.fromhex(entry[name]) for name in ("fingerprint", "salt", "length", "body")
    )
    keys = crypto.derive_keys(crypto.key_input(entry["passphrase"], fingerprint), salt)
    shape = container.associated_data(entry["width"], entry["height"], entry["channels"])
    plaintext = hiding.unlock(keys, length, lambda n: body.ljust(n, b"\0")[:n], zones, shape)
    container.unpack(plaintext)
    return plaintext


@pytest.mark.parametrize("entry", CONTAINERS, ids=lambda entry: entry["name"])
def test_containers(entry):
    if entry["expect"] == "ok":
        assert unlock(entry).hex() == entry["plaintext"]
        return
    with pytest.raises(deephide.DeephideError) as caught:
        unlock(entry)
    assert type(caught.value).__name__ == entry["expect"]


@pytest.mark.parametrize("entry", LATENT["cases"], ids=lambda entry: entry["name"])
def test_compressed_codes(entry):
    shape = (1, 512)
    quantizer = Quantizer(
        w_avg=np.zeros(shape, np.float32),
        step=np.ones(shape, np.float32),
        table_index=np.array(LATENT["table_index"], np.uint8).reshape(shape),
        tables=np.array(LATENT["tables"], np.uint32),
    )
    data = bytes.fromhex(entry["data"])
    if entry["expect"] == "ok":
        integers = latent_codec.decode(data, quantizer)
        assert integers.ravel().tolist() == LATENT["integers"]
        assert latent_codec.encode(integers, quantizer) == data
        return
    with pytest.raises(latent_codec.LatentFormatError):
        latent_codec.decode(data, quantizer)


def test_orders():
    for entry in ORDERS["keyed"]:
        order = keystream.keyed_order(bytes.fromhex(entry["key"]), entry["n"])
        assert order.tolist() == entry["order"]
    for entry in ORDERS["public"]:
        assert keystream.public_order(entry["n"])[:20].tolist() == entry["first"]


def test_the_picture():
    stego = image_io.load_cover(FOLDER / "stego.png", "stego")
    entry = next(each for each in CONTAINERS if each["name"] == "passphrase")
    key_input = crypto.key_input(entry["passphrase"], bytes.fromhex(entry["fingerprint"]))
    associated = container.associated_data(*stego.shape)
    plaintext = hiding.reveal(stego.samples.reshape(-1), key_input, associated)
    assert plaintext.hex() == entry["plaintext"]


def test_a_receiver_written_from_the_specification_alone(second_receiver, face, model, photo):
    text = (FOLDER.parents[2] / "docs" / "format.md").read_text()
    stego = image_io.load_cover(FOLDER / "stego.png", "stego")
    entry = next(each for each in CONTAINERS if each["name"] == "passphrase")
    plaintext = second_receiver.receive(
        stego.samples.ravel().tolist(),
        stego.shape,
        entry["passphrase"],
        bytes.fromhex(entry["fingerprint"]),
        text,
    )
    assert plaintext.hex() == entry["plaintext"]

    result = deephide.embed(face, photo, None, model)
    samples = np.asarray(result.stego).ravel().tolist()
    plaintext = second_receiver.receive(samples, (120, 96, 3), None, model.fingerprint, text)
    payload = latent_codec.encode(result.integers, model.quantizer)
    assert plaintext == b"\x01\x01" + model.fingerprint[:8] + payload
