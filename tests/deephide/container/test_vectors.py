"""The frozen vectors of the format; see tests/vectors/container/README.md."""

import base64
import hashlib
import io
import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from files import files_in
from PIL import Image

import deephide
from deephide.codecs import latent
from deephide.container import crypto, elligator, hiding, key_files, keys, keystream, layout
from deephide.covers.opening import open_cover
from e2style.quantizer import Quantizer

FOLDER = Path(__file__).parents[2] / "vectors" / "container"
CASES = {path.stem: json.loads(path.read_text()) for path in files_in(FOLDER / "cases", "*.json")}
LATENT = json.loads((FOLDER / "latent.json").read_text())
ORDERS = json.loads((FOLDER / "order.json").read_text())


SPECIFICATION = (FOLDER.parents[2] / "docs" / "format.md").read_text()


def elements_of(entry, reader):
    """Return elements and shape as the second reader wants them."""
    raw = base64.b64decode(entry["picture"])
    if raw.startswith(b"\xff\xd8"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "stego.jpg"
            path.write_bytes(raw)
            return *reader.coefficients(path), reader.dc_step(path)
    with Image.open(io.BytesIO(raw)) as picture:
        return *pixels_of(picture, reader), None


def pixels_of(picture, reader):
    pixels = np.asarray(picture.convert("RGBA"))[:, :, :3].reshape(-1, 3).tolist()
    return reader.samples(picture.size, pixels)


def secret(entry, name):
    return None if entry[name] is None else bytes.fromhex(entry[name])


def our_reader(entry):
    stego = open_cover(base64.b64decode(entry["picture"]), "stego")
    identity = secret(entry, "identity")
    key_input = crypto.key_input(
        entry["passphrase"], secret(entry, "fingerprint"), secret(entry, "key_file")
    )
    key = keys.Identity(identity) if identity else keys.SharedKey(key_input)
    picture = stego.salt(stego.elements)
    plaintext = hiding.reveal(stego.elements, key.at(picture), stego.associated)
    header, payload = layout.unpack(plaintext)
    return header.codec, header.parameters, payload


def second_reader(entry, reader):
    samples, shape, step = elements_of(entry, reader)
    plaintext = reader.receive(
        samples,
        shape,
        entry["passphrase"],
        secret(entry, "fingerprint"),
        SPECIFICATION,
        secret(entry, "key_file"),
        secret(entry, "identity"),
        step,
    )
    return reader.unpack(plaintext)


@pytest.mark.parametrize("name", CASES)
def test_our_reader(name):
    entry = CASES[name]
    if entry["expect"] == "ok":
        assert our_reader(entry) == (1, bytes(range(8)), bytes.fromhex(entry["payload"]))
        return
    with pytest.raises(deephide.DeephideError) as caught:
        our_reader(entry)
    assert type(caught.value).__name__ == entry["expect"]


@pytest.mark.parametrize("name", CASES)
def test_a_reader_written_from_the_specification_alone(name, second_receiver):
    entry = CASES[name]
    if entry["expect"] == "ok":
        found = second_reader(entry, second_receiver)
        assert found == (1, bytes(range(8)), bytes.fromhex(entry["payload"]))
        return
    expected = {
        "ExtractionError": second_receiver.RejectedError,
        "FormatVersionError": second_receiver.OtherVersionError,
    }
    with pytest.raises(expected[entry["expect"]]):
        second_reader(entry, second_receiver)


def test_the_cases_cover_every_kind_of_key_and_every_class():
    assert len(CASES) >= 45
    for name in ("passphrase", "key_file", "identity"):
        found = {entry["expect"] for entry in CASES.values() if entry[name] is not None}
        assert {"ok", "ExtractionError"} <= found


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
        integers = latent.decompress(data, quantizer)
        assert integers.ravel().tolist() == LATENT["integers"]
        assert latent.compress(integers, quantizer) == data
        return
    with pytest.raises(latent.LatentFormatError):
        latent.decompress(data, quantizer)


def test_orders(second_receiver):
    for entry in ORDERS["keyed"]:
        key = bytes.fromhex(entry["key"])
        assert keystream.Order(key, entry["n"]).places(0, entry["n"]).tolist() == entry["order"]
        assert second_receiver.order(key, entry["n"]) == entry["order"]
    for entry in ORDERS["public"]:
        assert keystream.public_order(entry["n"]).places(0, 20).tolist() == entry["first"]


def test_representatives(second_receiver):
    entries = json.loads((FOLDER / "representatives.json").read_text())
    assert len(entries) == 20
    for entry in entries:
        data, point = bytes.fromhex(entry["bytes"]), bytes.fromhex(entry["point"])
        assert elligator.from_representative(data) == point
        assert second_receiver.elligator(data) == int.from_bytes(point, "little")
        if entry["private"]:
            private = bytes.fromhex(entry["private"])
            public = int.from_bytes(second_receiver.x25519(private, 9), "little")
            shared = second_receiver.x25519(bytes(range(32)), public)
            assert shared == crypto.x25519(bytes(range(32)), point)


def test_key_texts(second_receiver, tmp_path):
    entry = json.loads((FOLDER / "key_texts.json").read_text())
    private, public = bytes.fromhex(entry["private"]), bytes.fromhex(entry["public"])
    assert second_receiver.x25519(private, 9) == public
    assert key_files.parse_public_key(entry["public_text"]) == public
    (tmp_path / "identity").write_text(f"\n# a comment\n{entry['identity']}\n")
    assert key_files.load_identity(tmp_path / "identity") == private
    for prefix, key, text in (
        ("deephide-pub-", public, entry["public_text"]),
        ("DEEPHIDE-KEY-", private, entry["identity"]),
    ):
        check = hashlib.sha256(prefix.encode() + key).digest()[:3]
        assert text.upper() == prefix.upper() + base64.b32encode(key + check).decode()


def test_the_second_reader_reads_what_the_program_hides(second_receiver, face, photo, model):
    identity = crypto.x25519_public(bytes(32))
    recipient = key_files.format_public_key(identity)
    key_file = bytes(range(40))
    for sent, received in (
        ({}, {}),
        ({"passphrase": "p", "key_file": key_file}, {"passphrase": "p", "key_file": key_file}),
        ({"recipients": [recipient], "pad": True}, {"identity": bytes(32)}),
    ):
        result = deephide.embed(face, photo, model=model, **sent)
        samples = np.asarray(result.stego).ravel().tolist()
        secrets = {"passphrase": None, "fingerprint": model.fingerprint} | received
        plaintext = second_receiver.receive(samples, (120, 96, 3), text=SPECIFICATION, **secrets)
        payload = latent.compress(result.integers, model.quantizer)
        assert second_receiver.unpack(plaintext) == (1, model.fingerprint[:8], payload)


def test_the_second_reader_reads_jpeg_files_of_every_kind(second_receiver, jpegs, tmp_path):
    for kind in ("gray", "4:2:0 q75", "4:2:2 q90", "progressive 4:4:4", "restarts"):
        raw = jpegs.encoded(jpegs.photo(61, 85), **jpegs.KINDS[kind])
        result = deephide.embed(b"any bytes", raw, "p", codec="file")
        path = tmp_path / "stego.jpg"
        path.write_bytes(result.file)
        plaintext = second_receiver.receive(
            *second_receiver.coefficients(path),
            "p",
            None,
            SPECIFICATION,
            step=second_receiver.dc_step(path),
        )
        assert second_receiver.unpack(plaintext)[2] == b"any bytes", kind
