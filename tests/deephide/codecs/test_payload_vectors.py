"""The frozen payloads of the codecs, read by the program and from the specification alone."""

import hashlib
import io
import json
from pathlib import Path

import pytest
import zstandard
from PIL import Image, features

from deephide.codecs import file as file_codec
from deephide.codecs import image as image_codec
from deephide.codecs import paper
from deephide.formats import still as bitstreams

FOLDER = Path(__file__).parents[2] / "vectors" / "container"
CASES = json.loads((FOLDER / "payloads.json").read_text())
ERRORS = (
    file_codec.FileFormatError,
    image_codec.ImageFormatError,
    paper.PaperFormatError,
    bitstreams.BitstreamError,
)


def parts(name):
    entry = CASES[name]
    if name.startswith("AVIF") and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    return entry, bytes.fromhex(entry["parameters"]), bytes.fromhex(entry["payload"])


def ours(codec, parameters, payload):
    if codec == "file":
        name, data = file_codec.decompress(parameters, payload)
        return {"name": name, "bytes": data.hex()}
    if codec == "paper":
        return paper.unpack(payload, 1).ravel().tolist()
    shown = image_codec.expand(parameters, payload).size
    width = int.from_bytes(parameters[5:7], "little")
    coded = (width, max(1, (2 * width * shown[1] + shown[0]) // (2 * shown[0])))
    file = bitstreams.build(parameters[0], *coded, payload)
    return {"file": hashlib.sha256(file).hexdigest(), "coded": [*coded], "shown": [*shown]}


def second(reader, codec, parameters, payload):
    if codec == "file":
        name, data = reader.file_bytes(parameters, payload, unpack_frame(reader))
        return {"name": name, "bytes": data.hex()}
    if codec == "paper":
        return reader.paper_integers(payload, 1)
    file, coded, shown = reader.picture_file(parameters, payload)
    with Image.open(io.BytesIO(file)) as picture:
        picture.load()
        assert picture.size == coded
    return {"file": hashlib.sha256(file).hexdigest(), "coded": [*coded], "shown": [*shown]}


def unpack_frame(reader):
    def unpack(frame):
        decoder = zstandard.ZstdDecompressor().decompressobj()
        data = decoder.decompress(frame)
        if not decoder.eof or decoder.unused_data:
            raise reader.RejectedError
        return data

    return unpack


@pytest.mark.parametrize("name", CASES)
def test_payloads(name, second_receiver):
    entry, parameters, payload = parts(name)
    if entry["expect"] == "ok":
        assert ours(entry["codec"], parameters, payload) == entry["content"]
        assert second(second_receiver, entry["codec"], parameters, payload) == entry["content"]
        return
    with pytest.raises(ERRORS):
        ours(entry["codec"], parameters, payload)
    with pytest.raises(second_receiver.RejectedError):
        second(second_receiver, entry["codec"], parameters, payload)


def test_every_codec_has_both_kinds():
    kinds = {(entry["codec"], entry["expect"]) for entry in CASES.values()}
    assert len(kinds) == 6
