import io
import os

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide import inference, models, pipeline
from deephide.channels import openings
from deephide.codecs import latent
from deephide.container import hiding, layout
from deephide.covers.opening import open_cover
from deephide.covers.samples import SampleCover
from deephide.models import LazyModel

pytestmark = pytest.mark.usefixtures("cheap_kdf")


def pixels(picture):
    return np.asarray(picture).astype(int)


@pytest.fixture
def files(tmp_path, photo, face):
    photo.save(tmp_path / "photo.png")
    face.save(tmp_path / "face.png")
    return tmp_path


def test_a_face_comes_back_as_previewed(photo, face, model):
    result = deephide.embed(face, photo, "passphrase", model)
    found = deephide.extract(result.stego, "passphrase", model)
    assert np.array_equal(pixels(found.image), pixels(result.preview))
    assert found.info.model == "fake" and found.info.codec == "latent"
    payload = latent.compress(result.integers, models.quantizer_of(model))
    assert result.payload_bits == found.info.payload_bits == 8 * (54 + len(payload))
    difference = pixels(result.stego) - pixels(photo)
    assert np.abs(difference).max() == 1
    assert result.changes == np.count_nonzero(difference)
    assert result.change_rate == result.changes / difference.size
    assert result.alpha == result.payload_bits / difference.size
    assert result.psnr == pytest.approx(10 * np.log10(255**2 / np.mean(difference**2)))
    assert result.secret_psnr > model.accept_psnr


def test_without_a_passphrase_the_model_is_the_key(photo, face, model):
    result = deephide.embed(face, photo, model=model)
    assert deephide.extract(result.stego, model=model).info.version == 2
    model.fingerprint = bytes(32)
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(result.stego, model=model)


def test_with_a_passphrase_another_model_is_named(photo, face, model):
    result = deephide.embed(face, photo, "p", model)
    model.fingerprint = b"\xff" * 32
    with pytest.raises(deephide.CheckpointError, match="model 0001020304050607, not with fake"):
        deephide.extract(result.stego, "p", model)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_modes_stay(photo, face, model, mode, make_texture):
    cover = Image.fromarray(make_texture(200, 200, 3)).convert(mode)
    result = deephide.embed(face, cover, "p", model)
    assert result.stego.mode == mode
    assert deephide.extract(result.stego, "p", model).image.size == (64, 64)


def test_what_nobody_sees_does_not_change(face, model, make_texture):
    cover = np.dstack((make_texture(160, 160, 3), np.full((160, 160), 255, np.uint8)))
    cover[:80, :, 3] = 0
    cover[80:100, :40, :3] = 77
    result = deephide.embed(face, Image.fromarray(cover), "p", model)
    changed = (pixels(result.stego) != cover).any(axis=2)
    assert not changed[:80].any() and not changed[81:99, 1:39].any() and changed.any()
    assert np.array_equal(pixels(result.stego)[:, :, 3], cover[:, :, 3])


def test_saturated_samples_only_go_inwards(face, model):
    rng = np.random.default_rng(0)
    cover = rng.integers(-200, 456, (150, 150, 3)).clip(0, 255).astype(np.uint8)
    stego = pixels(deephide.embed(face, Image.fromarray(cover), "p", model).stego)
    assert np.abs(stego - cover.astype(int)).max() == 1


def test_progress_names_every_stage(photo, face, model):
    seen = []
    deephide.embed(face, photo, None, model, progress=lambda *step: seen.append(step))
    assert seen == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    assert deephide.STAGES == ("inverting", "costs", "embedding", "verifying")


def test_auto_sends_what_the_model_cannot_generate_as_a_picture(photo, noise, model):
    result = deephide.embed(noise, photo, None, model)
    assert result.codec == "image" and result.model is None and result.integers is None
    assert "codec image, because the secret does not look like an aligned face" in result.reason
    result = deephide.embed(noise, photo, None, model, codec="latent")
    assert result.codec == "latent" and result.secret_psnr < model.accept_psnr


@pytest.mark.parametrize(
    ("limit", "value", "reason"),
    [
        ("accept_psnr", 99.0, "at least 99.0 dB are expected"),
        ("accept_bits", 10.0, "at most 10 are expected"),
        ("accept_likeness", 1.1, "at least 1.10 is expected"),
    ],
)
def test_every_limit_counts(photo, face, model, limit, value, reason, monkeypatch):
    assert deephide.embed(face, photo, None, model).codec == "latent"
    setattr(model, limit, value)
    # Beyond a limit a face still goes by its code where that is closer than a small image.
    result = deephide.embed(face, photo, None, model)
    assert result.codec == "latent"
    assert "closer than a small image would be, although" in result.reason
    assert reason in result.reason
    monkeypatch.setattr("deephide.codecs.choice._is_closer", lambda *choices: False)
    result = deephide.embed(face, photo, None, model)
    assert result.codec == "image" and reason in result.reason


def test_a_face_that_may_be_taken_for_another_is_sent_as_a_picture(photo, face, model, monkeypatch):
    monkeypatch.setattr("e2style.metrics.identity.similarity", lambda *pair: 0.1)
    result = deephide.embed(face, photo, None, model)
    assert result.codec == "image"
    assert "may be taken for somebody else" in result.reason
    assert deephide.embed(face, photo, None, model, codec="latent").codec == "latent"


@pytest.mark.parametrize(("option", "value"), [("codec", "zip"), ("cost", "cheap")])
def test_unknown_choices_are_refused(photo, face, model, option, value):
    with pytest.raises(ValueError, match=f"{option}: got '{value}', allowed: "):
        deephide.embed(face, photo, None, model, **{option: value})


def test_an_empty_passphrase_is_refused(photo, face, model):
    with pytest.raises(deephide.PassphraseError):
        deephide.embed(face, photo, "", model)


def test_even_carriers_are_refused(face, model):
    for value in (0, 128, 255):
        carrier = Image.new("RGB", (300, 300), (value,) * 3)
        with pytest.raises(deephide.CapacityError, match="too small or too flat"):
            deephide.embed(face, carrier, None, model)
        found = deephide.capacity(carrier)
        assert (found.safe_bits, found.hard_bits) == (0, 0)


def test_carriers_that_are_too_small_are_refused(face, model, make_texture, monkeypatch):
    monkeypatch.setattr(latent, "compress", lambda *_: bytes(400))
    carrier = Image.fromarray(make_texture(38, 38, 3))
    with pytest.raises(deephide.CapacityError) as caught:
        deephide.embed(face, carrier, None, model, codec="latent")
    assert caught.value.needed_bits > caught.value.capacity_bits > 0
    assert caught.value.capacity_bits == deephide.capacity(carrier).hard_bits


@pytest.mark.parametrize("size", [(64, 64, 1), (38, 38, 3)])
def test_mipod_refuses_small_carriers_as_hill_does(face, model, make_texture, monkeypatch, size):
    monkeypatch.setattr(latent, "compress", lambda *_: bytes(2000))
    texture = make_texture(*size)
    carrier = Image.fromarray(texture[:, :, 0] if size[2] == 1 else texture)
    said = set()
    for cost in ("hill", "mipod"):
        with pytest.raises(deephide.CapacityError) as caught:
            deephide.embed(face, carrier, None, model, cost, "latent")
        said.add((str(caught.value), caught.value.needed_bits, caught.value.capacity_bits))
    assert len(said) == 1


def test_mipod_is_never_asked_for_more_than_it_has_costs_for(make_texture):
    cover = open_cover(Image.fromarray(make_texture(38, 38, 3)))
    assert np.isfinite(cover.costs("mipod", 10**6)[0]).any()


def test_errors_of_the_costs_are_translated(photo, face, model, monkeypatch):
    import stc

    def fail(*_):
        raise stc.PayloadTooLargeError("too much", needed_bits=9, capacity_bits=7)

    monkeypatch.setattr(SampleCover, "costs", fail)
    with pytest.raises(deephide.CapacityError, match="too much"):
        deephide.embed(face, photo, None, model)


def test_poor_covers_are_named():
    cover = open_cover(Image.new("RGB", (100, 100), "white"))
    assert len(cover.signs) == 3
    rng = np.random.default_rng(0)
    good = rng.integers(1, 255, (300, 300, 3)).astype(np.uint8)
    assert open_cover(Image.fromarray(good)).signs == ()


def test_warnings_reach_the_result_and_the_log(photo, face, model, caplog):
    result = deephide.embed(face, photo, None, model)
    assert len(result.warnings) == 1 and "tiny" in result.warnings[0]
    assert result.warnings[0] in caplog.text


def test_files_are_written_and_verified(files, model):
    result = deephide.embed_file(
        files / "face.png", files / "photo.png", files / "stego.png", "p", model
    )
    assert np.array_equal(pixels(Image.open(files / "stego.png")), pixels(result.stego))
    deephide.extract_file(files / "stego.png", files / "secret.png", "p", model)
    assert np.array_equal(pixels(Image.open(files / "secret.png")), pixels(result.preview))
    assert sorted(os.listdir(files)) == ["face.png", "photo.png", "secret.png", "stego.png"]


def test_the_preview_is_written_with_the_stego_or_neither_is(files, model, monkeypatch):
    arguments = (files / "face.png", files / "photo.png", files / "stego.png", "p", model)
    before = sorted(os.listdir(files))
    for name, message in (
        ("stego.png", "are the same file"),
        ("photo.png", "is the input"),
        ("preview.jpg", "lossy"),
    ):
        with pytest.raises(deephide.OutputError, match=message):
            deephide.embed_file(*arguments, preview=files / name, force=True)
    weights = files / "model.png"
    weights.touch()
    monkeypatch.setattr(models, "load_model", lambda _: model)
    with pytest.raises(deephide.OutputError, match="is the input"):
        deephide.embed_file(*arguments[:4], weights, preview=weights, force=True)
    weights.unlink()

    monkeypatch.setattr(hiding, "reveal", lambda *_, **__: b"something else")
    with pytest.raises(deephide.DeephideError, match="failed its own verification"):
        deephide.embed_file(*arguments, preview=files / "preview.png")
    monkeypatch.undo()
    assert sorted(os.listdir(files)) == before

    result = deephide.embed_file(*arguments, preview=files / "preview.png")
    assert np.array_equal(pixels(Image.open(files / "preview.png")), pixels(result.preview))
    assert sorted(os.listdir(files)) == sorted([*before, "preview.png", "stego.png"])


def test_a_job_shows_neither_key_nor_contents(photo, face, model):
    options = deephide.EmbedOptions(
        passphrase="correct horse", key_file=b"key file, made up" * 2, model=model, cost="hill"
    )
    job = pipeline.hide(face, photo, options)
    for shown in (repr(options), repr(options.access())):
        assert "correct" not in shown and "key file" not in shown
    shown = repr(job)
    assert "correct horse" not in shown and repr(job.plaintext) not in shown
    assert shown.startswith("Job(result=EmbedResult(") and len(shown) < 1000


def test_failures_leave_no_file(files, model, monkeypatch):
    before = sorted(os.listdir(files))
    arguments = (files / "face.png", files / "photo.png", files / "stego.png", "p", model)

    monkeypatch.setattr(hiding, "reveal", lambda *_, **__: b"something else")
    with pytest.raises(deephide.DeephideError, match="failed its own verification"):
        deephide.embed_file(*arguments)
    monkeypatch.undo()

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    for place in ("generate", "invert"):
        monkeypatch.setattr(inference, place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            deephide.embed_file(*arguments)
        monkeypatch.undo()
    monkeypatch.setattr(hiding, "reveal", interrupt)
    with pytest.raises(KeyboardInterrupt):
        deephide.embed_file(*arguments)
    assert sorted(os.listdir(files)) == before


@pytest.mark.parametrize("size", [(1, 1), (63, 65), (36, 37)])
def test_pictures_too_small_to_hold_anything_get_the_one_error(tmp_path, model, size):
    Image.new("L" if size == (63, 65) else "RGB", size).save(tmp_path / "small.png")
    for stego in (tmp_path / "small.png", Image.open(tmp_path / "small.png")):
        with pytest.raises(deephide.ExtractionError):
            deephide.extract(stego, "p", model)
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(Image.new("RGB", (0, 0)), "p", model)


def test_wrong_passphrase_writes_nothing(files, model):
    with pytest.raises(deephide.ExtractionError):
        deephide.extract_file(files / "photo.png", files / "secret.png", "p", model)
    assert not (files / "secret.png").exists()


@pytest.mark.parametrize("how", ["one pixel", "jpeg", "resized"])
def test_altered_stegos_are_refused(photo, face, model, how):
    stego = deephide.embed(face, photo, "p", model).stego
    if how == "one pixel":
        altered = np.asarray(stego).copy()
        altered[50, 60, 1] ^= 1
        stego = Image.fromarray(altered)
    elif how == "jpeg":
        buffer = io.BytesIO()
        stego.save(buffer, "JPEG", quality=95)
        stego = Image.open(buffer).convert("RGB")
    else:
        stego = stego.resize((119, 95))
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(stego, "p", model)


def test_unknown_codecs_and_bad_payloads_are_refused(photo, model, monkeypatch):
    def plaintext(codec, payload):
        header = layout.Header(codec, model.fingerprint[:8])
        return lambda *_: layout.pack(header, payload)

    monkeypatch.setattr(openings, "reveal", plaintext(9, b""))
    with pytest.raises(deephide.FormatVersionError, match="codec 9"):
        deephide.extract(photo, "p", model)
    monkeypatch.setattr(openings, "reveal", plaintext(1, b"\x00"))
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(photo, "p", model)


def test_models_without_a_usable_quantizer_are_refused(photo, face, model):
    model.quantizer = None
    with pytest.raises(deephide.CheckpointError, match="has no quantizer"):
        deephide.embed(face, photo, None, model, codec="latent")


def test_models_that_generate_no_numbers_are_rejected(photo, face, model):
    synthesize = model.synthesize
    model.synthesize = lambda codes: synthesize(codes) * float("nan")
    with pytest.raises(deephide.CheckpointError, match="not finite"):
        deephide.embed(face, photo, "p", model)


def test_a_missing_model_is_named(photo, face, tmp_path):
    with pytest.raises(deephide.CheckpointError, match=r"none\.safetensors"):
        deephide.embed(face, photo, None, tmp_path / "none.safetensors")


def test_capacity_grows_with_texture_and_safe_is_less_than_hard(make_texture):
    found = [deephide.capacity(Image.fromarray(make_texture(side, side, 3))) for side in (100, 200)]
    assert found[0].safe_bits < found[1].safe_bits < found[1].hard_bits
    assert found[1].safe_bytes == found[1].safe_bits // 8
    assert found[1].hard_bytes == found[1].hard_bits // 8
    assert found[1].elements == 120_000
    # All but those whose changes would make values that no other sample has.
    assert 119_900 < found[1].dry_elements < 120_000


def test_only_mipod_looks_at_the_payload(photo, monkeypatch):
    import stc

    seen = []
    monkeypatch.setattr(stc.costs, "mipod", lambda c, bits: seen.append(bits) or c + 1.0, False)
    open_cover(photo).costs("mipod", 300)
    assert seen == [300]


def test_errors_of_the_network_are_translated(photo, face, model, monkeypatch):
    import e2style

    def fail(_):
        raise e2style.DataError("a strange picture")

    monkeypatch.setattr(model, "invert", fail)
    with pytest.raises(deephide.CheckpointError, match="a strange picture"):
        deephide.embed(face, photo, None, model)


def test_files_of_models_that_cannot_be_read_are_named(photo, face, monkeypatch):
    import e2style

    def fail(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(e2style, "load_for_inference", fail, raising=False)
    with pytest.raises(deephide.CheckpointError, match="permission denied"):
        deephide.embed(face, photo)


def test_issue_16_stegos_that_are_pictures_of_another_salt_are_tried_again(photo, monkeypatch):
    moved, salt = [], SampleCover.salt

    def moving(self, elements):
        if len(moved) < 3 and not np.array_equal(elements, self.elements):
            moved.append(elements)
            return bytes(16)
        return salt(self, elements)

    monkeypatch.setattr(SampleCover, "salt", moving)
    stego = deephide.embed(b"secret", photo, "p", codec="file").stego
    assert len(moved) == 3
    assert deephide.extract(stego, "p").data == b"secret"


def test_a_picture_whose_stegos_all_have_another_salt_is_refused_and_says_why(photo, monkeypatch):
    salt = SampleCover.salt
    monkeypatch.setattr(hiding, "MAX_PICTURES", 4)
    monkeypatch.setattr(
        SampleCover,
        "salt",
        lambda self, elements: (
            salt(self, elements) if np.array_equal(elements, self.elements) else os.urandom(16)
        ),
    )
    with pytest.raises(deephide.CapacityError, match=r"changes move its salt \(4 stegos tried\)"):
        deephide.embed(b"secret", photo, "p", codec="file")


def test_issue_19_a_model_is_let_go_unless_it_is_the_callers(model):
    own = LazyModel(model)
    assert own.load() is model
    own.release(unless=own)
    assert own._loaded is model
    own.release(unless=None)
    assert own._loaded is None
    assert own.load() is model
