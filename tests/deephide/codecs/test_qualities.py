import dataclasses
import re

import numpy as np
import pytest

import deephide
from deephide import inference, models
from deephide.codecs import fingerprints, latent
from deephide.models import LazyModel

pytestmark = pytest.mark.usefixtures("cheap_kdf")


@pytest.fixture
def graded(model):
    """The fake model in four qualities: steps of 0.2, 0.1, 0.05 and 0.025; the third is usual."""
    finest = model.quantizer
    model.quantizers = tuple(
        dataclasses.replace(finest, step=finest.step * np.float32(factor))
        for factor in (8, 4, 2, 1)
    )
    model.quality = 3
    model.quantizer = model.quantizers[2]
    return model


def test_every_quality_comes_back_as_the_sender_saw_it(graded, photo, face):
    sizes = []
    for quality in (1, 2, 3, 4):
        result = deephide.embed(face, photo, "p", graded, codec="latent", quality=quality)
        assert f"quality {quality} of 4" in result.reason
        found = deephide.extract(result.stego, "p", graded)
        assert found.image.tobytes() == result.preview.tobytes()
        sizes.append((result.payload_bits, result.secret_psnr))
    assert sizes == sorted(set(sizes))


def test_the_usual_quality_is_taken_where_nothing_is_said(graded, photo, face):
    for codec in ("auto", "latent"):
        result = deephide.embed(face, photo, "p", graded, codec=codec)
        assert "quality 3 of 4" in result.reason


def test_a_budget_takes_the_finest_code_that_fits(graded, face):
    code = inference.invert(graded, face.resize((64, 64)))
    sizes = [
        len(latent.compress(models.round_code(q, code), q)) for q in graded.quantizers
    ]  # fmt: skip
    assert sizes == sorted(set(sizes))
    for ceiling, wanted in ((sizes[3], 4), (sizes[3] - 1, 3), (sizes[1], 2), (1, 1)):
        quality, integers, payload = latent.fit_quality(
            graded, code, wanted=None, ceiling=ceiling, most=ceiling
        )
        assert quality == wanted and len(payload) == sizes[wanted - 1]
        assert (integers == models.round_code(graded.quantizers[wanted - 1], code)).all()


def test_auto_takes_less_where_less_is_safe(graded, face, make_texture):
    code = inference.invert(graded, face.resize((64, 64)))
    quality, _, payload = latent.fit_quality(graded, code, wanted=None, ceiling=None, most=10)
    assert quality == 1 and len(payload) > 10
    quality, _, _ = latent.fit_quality(graded, code, wanted=None, ceiling=None, most=1 << 20)
    assert quality == 3  # more than usual is never taken unasked


def test_a_quality_is_named_by_the_last_byte_of_the_fingerprint(graded):
    own = graded.fingerprint[:8]
    assert fingerprints.to_parameters(graded, 1) == own
    for quality in (1, 2, 3, 4):
        parameters = fingerprints.to_parameters(graded, quality)
        loaded, found = fingerprints.find_model(parameters, LazyModel(graded))
        assert loaded is graded and found == quality


def test_a_quality_that_the_model_lacks_is_another_model(graded, model, photo, face):
    for parameters in (fingerprints.to_parameters(graded, 5), bytes(8)):
        with pytest.raises(deephide.CheckpointError, match="was made with model"):
            fingerprints.find_model(parameters, LazyModel(graded))
    with pytest.raises(deephide.CheckpointError, match="has no quality 5"):
        deephide.embed(face, photo, "p", graded, codec="latent", quality=5)


def test_a_model_that_shipped_once_is_called_by_its_name(graded):
    from e2style.checkpoints.shipped import FORMER

    for fingerprint, name in FORMER.items():
        parameters = bytes.fromhex(fingerprint)[:8]
        with pytest.raises(deephide.CheckpointError, match=re.escape(f"({name}), not with")):
            fingerprints.find_model(parameters, LazyModel(graded))


def test_whether_a_secret_is_a_face_does_not_depend_on_its_quality(graded, photo, face):
    result = deephide.embed(face, photo, "p", graded, quality=1)
    graded.accept_psnr = result.secret_psnr + 0.1
    assert deephide.embed(face, photo, "p", graded, quality=1).codec == "latent"
