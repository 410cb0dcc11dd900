"""Frozen vectors of robust containers: each fault has a case of its own."""

import base64
import json
from pathlib import Path

import pytest
from files import files_in

import deephide
from deephide.channels import openings
from deephide.container import crypto, layout
from deephide.container.keys import SharedKey

FOLDER = Path(__file__).parents[2] / "vectors" / "container" / "robust"
CASES = {path.stem: json.loads(path.read_text()) for path in files_in(FOLDER, "*.json")}
SPECIFICATION = (FOLDER.parents[3] / "docs" / "format.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CASES)
def test_our_reader(name):
    entry = CASES[name]
    key = SharedKey(crypto.key_input(entry["passphrase"], bytes.fromhex(entry["fingerprint"])))
    seen = openings.look_at(base64.b64decode(entry["picture"]))
    if entry["expect"] == "ok":
        header, payload = layout.unpack(openings.reveal(seen, key))
        assert (header.codec, payload.hex()) == (1, entry["payload"])
        return
    with pytest.raises(deephide.DeephideError) as caught:
        layout.unpack(openings.reveal(seen, key))
    assert type(caught.value).__name__ == entry["expect"]


@pytest.mark.parametrize("name", CASES)
def test_a_reader_written_from_the_specification_alone(
    name, robust_receiver, second_receiver, tmp_path
):
    entry = CASES[name]
    path = tmp_path / "came-back"
    path.write_bytes(base64.b64decode(entry["picture"]))

    def read():
        fingerprint = bytes.fromhex(entry["fingerprint"])
        found = robust_receiver.receive(path, entry["passphrase"], fingerprint, SPECIFICATION)
        return second_receiver.unpack(found)

    if entry["expect"] == "ok":
        assert read()[2].hex() == entry["payload"]
        return
    expected = {
        "ExtractionError": second_receiver.RejectedError,
        "FormatVersionError": second_receiver.OtherVersionError,
    }
    with pytest.raises(expected[entry["expect"]]):
        read()


def test_there_is_a_case_for_each_fault():
    assert len(CASES) >= 22
    assert {each["expect"] for each in CASES.values()} == {
        "ok",
        "ExtractionError",
        "FormatVersionError",
    }
