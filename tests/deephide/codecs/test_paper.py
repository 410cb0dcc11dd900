import numpy as np
import pytest
from PIL import Image

import deephide
from deephide import inference
from deephide.codecs import paper

pytestmark = pytest.mark.usefixtures("cheap_kdf")


def test_paper_bits_are_those_of_algorithm_1():
    integers = np.array([[5, -255, 0, 255] * 128] * 2, np.int32)
    bits = "".join(f"{int(v < 0)}{abs(v):08b}" for v in integers.ravel())
    expected = bytes(int(bits[i : i + 8], 2) for i in range(0, len(bits), 8))
    assert paper.pack(integers) == expected
    assert np.array_equal(paper.unpack(expected, 2), integers)
    with pytest.raises(paper.PaperFormatError, match="a zero has a sign"):
        paper.unpack(b"\x80" + bytes(2 * 576 - 1), 2)
    with pytest.raises(paper.PaperFormatError, match="not as many"):
        paper.unpack(expected, 3)


def test_paper_rounding():
    code = np.array([[-1.5, -0.5, 0.5, 1.5, 255.4, -255.4]], np.float32)
    assert paper.round_code(code).tolist() == [[-2, 0, 0, 2, 255, -255]]
    assert paper.round_code(code[:, :5], "floor").tolist() == [[-2, -1, 0, 1, 255]]
    assert paper.round_code(code, "truncate").tolist() == [[-1, 0, 0, 1, 255, -255]]
    for bad in (code[:, 5:], np.array([[np.nan]], np.float32)):
        with pytest.raises(ValueError, match="nine bits hold"):
            paper.round_code(bad, "floor")


@pytest.mark.parametrize("rounding", ["nearest", "floor", "truncate"])
def test_the_paper_codec_end_to_end(face, model, make_texture, rounding):
    model.quantizer = None
    carrier = Image.fromarray(make_texture(250, 300, 3))
    result = deephide.embed(face, carrier, "p", model, codec="paper", rounding=rounding)
    assert result.payload_bits == 8 * (54 + 2 * 576)
    found = deephide.extract(result.stego, "p", model)
    assert found.info.codec == "paper"
    assert found.image.tobytes() == result.preview.tobytes()
    whole = {"nearest": np.rint, "floor": np.floor, "truncate": np.trunc}[rounding]
    code = inference.invert(model, face.resize((64, 64)))
    assert result.integers.shape == code.shape and np.abs(whole(code) - result.integers).max() <= 1


def test_codes_beyond_nine_bits_are_refused_by_the_sender(face, photo, model, monkeypatch):
    monkeypatch.setattr(inference, "invert", lambda *_: np.full((2, 512), 256.0, np.float32))
    with pytest.raises(deephide.InputImageError, match="the code holds 256"):
        deephide.embed(face, photo, "p", model, codec="paper")
