"""Robust mode from end to end: what is made survives, is read back, or is refused with a reason."""

import io
import re

import numpy as np
import pytest
from PIL import Image

import deephide
from deephide.channels import (
    battery,
    embedding,
    ladder,
    profiles,
    sending,
    survival,
    transform,
)
from deephide.channels.coding import Plan
from deephide.channels.profiles import PLATFORMS, parse
from deephide.container import crypto

SECRET = bytes(range(60))
KEYS = crypto.derive_channel_keys(bytes(32))


@pytest.fixture
def scene():
    """A scene of soft shapes and some texture, 480 x 360."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:360, 0:480]
    shapes = 128 + 60 * np.sin(x / 60) * np.cos(y / 45) + 12 * np.sin(x / 3 + y / 7)
    noise = rng.normal(0, 6, (360, 480, 3))
    samples = shapes[:, :, None] + noise + np.array([0, 6, -8])
    return Image.fromarray(np.clip(samples, 12, 243).astype(np.uint8))


def recompressed(raw, kind="JPEG", **options):
    buffer = io.BytesIO()
    Image.open(io.BytesIO(raw)).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def stego(scene, cheap_kdf):
    return deephide.embed(SECRET, scene, "key", codec="file", channel="any")


def test_what_is_hidden_survives(stego):
    for quality in (75, 83, 98):
        back = recompressed(stego.file, quality=quality, subsampling=0)
        assert deephide.extract(back, "key").data == SECRET
    for kind, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        back = recompressed(stego.file, kind, **options)
        assert deephide.extract(back, "key").data == SECRET
    assert deephide.extract(stego.file, "key").data == SECRET


def test_a_side_can_be_asked_for(scene, cheap_kdf):
    small = deephide.embed(SECRET, scene, "key", codec="file", channel="any", shrink="400px")
    assert Image.open(io.BytesIO(small.file)).size == (400, 300)
    back = recompressed(small.file, quality=80)
    assert deephide.extract(back, "key").data == SECRET
    wide = scene.resize((1440, 1080))
    usual = deephide.capacity(wide, channel="any")
    asked = deephide.capacity(wide, channel="any", shrink="1300px")
    modes = profiles.parse("any").reading.modes(None).size
    assert usual.elements == (1080 // 8) * (810 // 8) * modes
    assert asked.elements == (1300 // 8) * (975 // 8) * modes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channel": "any", "shrink": 0.5}, "pixels of the longer side as 1600px"),
        ({"channel": "strong", "shrink": "900px"}, "none for strong"),
        ({"channel": "any", "quality_jpeg": 80}, "excludes quality_jpeg"),
    ],
)
def test_what_a_channel_leaves_no_choice_of(scene, options, message):
    with pytest.raises(ValueError, match=message):
        deephide.embed(SECRET, scene, "key", codec="file", **options)


def test_avif_files_are_read_as_what_came_back(stego):
    back = recompressed(stego.file, "AVIF", quality=100, subsampling="4:4:4", speed=10)
    assert deephide.extract(back, "key").data == SECRET
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(back, "other")
    with pytest.raises(deephide.InputImageError, match="damaged"):
        deephide.extract(back[: len(back) // 2], "key")


@pytest.mark.parametrize("qualities", [(85, 80), (90, 80, 85), (82, 88), (65,)])
def test_what_is_hidden_survives_compressions_in_a_row(stego, qualities):
    back = battery.hops(qualities).apply(battery.as_shown(stego.file))
    assert deephide.extract(back, "key").data == SECRET


def test_the_report_says_what_was_tried(stego):
    report = stego.channel
    assert (report.name, report.quality) == ("any", 75)
    assert len(report.survived) == len(set(report.survived)) >= 52
    assert {"JPEG 75 4:2:0", "JPEG 100 4:4:4", "JPEG 80 then 75"} <= set(report.survived)
    assert report.worst_mended <= report.parity // 2
    assert f"step {report.step} of the ladder" in stego.reason
    assert "every quality from 75 up" in stego.reason
    assert stego.psnr > 40
    assert stego.element_name == "coefficients"
    assert np.isnan(stego.detector_error)


@pytest.mark.parametrize("name", ["any", "jpeg:80"])
def test_no_element_changes_by_more_than_one(scene, cheap_kdf, name):
    channel = parse(name)
    photo = transform.open_photo(scene, 1080)
    key = deephide.EmbedOptions(passphrase="key").access().sealer(bytes(32))
    made = ladder.climb(photo, channel, bytes(20), lambda salt: key.at(salt).channel_keys())
    from deephide.covers.opening import open_cover

    before, after = (open_cover(raw).elements.astype(int) for raw in (made.cover, made.jpeg))
    assert np.abs(after - before).max() == 1
    assert np.count_nonzero(after != before) == made.changes
    if name == "any":
        assert set(np.abs(before[after != before])) == {0, 1} == set(np.abs(after[after != before]))


@pytest.fixture(name="bright")
def bright_fixture(scene):
    """A scene with burnt-out areas."""
    return Image.fromarray(np.clip(np.asarray(scene) * 1.6, 0, 255).astype(np.uint8))


def test_an_element_that_a_channel_alters_is_settled_before(bright, caplog):
    caplog.set_level("INFO")
    photo = transform.open_photo(bright, 1080)
    channel = parse("any")
    cover = transform.press(photo, 75)
    cases = battery.settling_cases(channel)

    def lost(precover):
        stage = embedding.prepare(precover, channel.reading, lambda salt: KEYS)
        return max(int(np.count_nonzero(each)) for each in ladder._lost(stage, channel))

    settled = embedding.settle(cover, channel.reading, cases)
    assert np.count_nonzero(settled.values != cover.values) > 20
    assert 2 * lost(settled) < lost(cover)


def stage_and_plan(image, name):
    """Return a stage, a plan that leaves out most of its elements, and their zone as a mask."""
    channel = parse(name)
    cover = transform.press(transform.open_photo(image, 1080), channel.quality)
    settled = embedding.settle(cover, channel.reading, battery.settling_cases(channel))
    stage = embedding.prepare(settled, channel.reading, lambda salt: KEYS, cover)
    plan = Plan(60, 24, 4)
    used = np.zeros(stage.places.size, bool)
    used[stage.zones.header] = used[stage.zones.body(plan)] = True
    return channel, stage, plan, used


def written(stage, plan, tests=()):
    streams = [bytes(7 * i % 256 for i in range(n)) for n in (24, plan.framing.stream_bytes)]
    return embedding.write(stage, plan, *streams, tests)


def test_elements_that_carry_nothing_stay_as_they_were(bright):
    _, stage, plan, used = stage_and_plan(bright, "any")
    before, after = (each.reshape(-1) for each in (stage.cover.values, written(stage, plan).values))
    changed = np.flatnonzero(after != before)
    assert changed.size > 50
    assert set(changed) <= set(stage.places[used])
    settled = stage.precover.values.reshape(-1)
    assert (settled[stage.places[~used]] != before[stage.places[~used]]).sum() > 20
    replaced = settled[stage.places] != before[stage.places]
    assert (after[stage.places][used & replaced] == settled[stage.places][used & replaced]).all()


def test_elements_are_chosen_by_what_recompressors_leave(bright):
    channel, stage, plan, used = stage_and_plan(bright, "any")
    tests = battery.hard_cases(channel)

    def lost(stego):
        own = channel.reading.elements(stego.values.reshape(-1)[stage.places])
        picture = battery.as_shown(stego.jpeg)
        seen = [embedding.elements_behind(test, picture, channel.reading) for test in tests]
        return max(int(np.count_nonzero((each != own)[used])) for each in seen)

    assert lost(written(stage, plan, tests)) < lost(written(stage, plan))


def test_mozjpeg_is_promised_from_85_up_and_with_a_lower_floor_from_75_up(monkeypatch):
    monkeypatch.setattr(battery, "has_vips", lambda: True)
    for name, lowest in (("any", 85), ("whatsapp", 85), ("any:60", 75)):
        channel, without = battery.attempts(parse(name))
        tried = [test.name for test in battery.battery(channel) if "moz" in test.name]
        assert min(int(re.findall(r"\d+", test)[0]) for test in tried) == lowest
        assert {f"mozjpeg {lowest + 1}", f"mozjpeg {lowest}, standard table"} < set(tried)
        assert [test.name for test in battery.choosing_cases(channel)][-1] == f"mozjpeg {lowest}"
        assert not any("moz" in test.name for test in battery.battery(without))


def test_what_is_written_survives_the_mozjpeg_that_is_promised(scene, cheap_kdf):
    pytest.importorskip("pyvips")
    made = deephide.embed(SECRET, scene, "key", codec="file", channel="any")
    assert "libvips from 75 up and mozjpeg from 85 up" in made.reason
    assert "mozjpeg 85" in made.channel.survived
    for way in (*map(battery._mozjpeg, (85, 86, 87, 90)), battery._mozjpeg(85, table=0)):
        back = way.apply(battery.as_shown(made.file))
        assert deephide.extract(back, "key").data == SECRET


@pytest.mark.parametrize(("name", "parity"), [("any", 24), ("any:60", 40)])
def test_only_where_mozjpeg_settles_much_a_ladder_begins_with_more_parity(
    scene, cheap_kdf, monkeypatch, name, parity
):
    mild = battery.Recompressor("mozjpeg", battery.hops((92,)).steps)
    monkeypatch.setattr(battery, "has_vips", lambda: True)
    monkeypatch.setattr(battery, "_mozjpeg", lambda quality, table=3: mild)
    monkeypatch.setattr(battery, "_others", lambda lowest: iter((mild,)))
    made = deephide.embed(SECRET, scene, "key", codec="file", channel=name)
    assert (made.channel.step, made.channel.parity) == (1, parity)


def test_what_no_optimising_encoder_leaves_is_made_without_it(scene, cheap_kdf, monkeypatch):
    harsh = battery.Recompressor("mozjpeg 85", battery.hops((20,)).steps)
    monkeypatch.setattr(battery, "has_vips", lambda: True)
    monkeypatch.setattr(battery, "_mozjpeg", lambda quality, table=3: harsh)
    monkeypatch.setattr(battery, "_others", lambda lowest: iter((harsh,)))
    monkeypatch.setattr(ladder, "PLANS", ladder.PLANS[2:3])
    monkeypatch.setattr(ladder, "HEADROOMS", (0,))
    made = deephide.embed(SECRET, scene, "key", codec="file", channel="any")
    assert made.channel.step > 1
    assert "mozjpeg 85" not in made.channel.survived
    assert any("mozjpeg" in warning for warning in made.warnings)
    assert "mozjpeg" not in made.reason
    back = recompressed(made.file, quality=75)
    assert deephide.extract(back, "key").data == SECRET


def test_wrong_keys_and_clean_pictures_give_the_one_error(stego, scene):
    for raw, key in ((stego.file, "other"), (recompressed_scene(scene), "key")):
        with pytest.raises(deephide.ExtractionError):
            deephide.extract(raw, key)


def recompressed_scene(scene):
    buffer = io.BytesIO()
    scene.save(buffer, "JPEG", quality=75)
    return buffer.getvalue()


def test_all_readings_take_one_key_derivation(stego, monkeypatch):
    from deephide.container import crypto

    calls = []
    original = crypto.harden
    monkeypatch.setattr(crypto, "harden", lambda *given: calls.append(1) or original(*given))
    for key in ("key", "other"):
        calls.clear()
        try:
            deephide.extract(stego.file, key)
        except deephide.ExtractionError:
            pass
        assert len(calls) == 1


@pytest.mark.parametrize("name", ["any:60", "jpeg:80", *PLATFORMS])
def test_other_channels(scene, cheap_kdf, name):
    made = deephide.embed(SECRET, scene, "key", codec="file", channel=name)
    quality = parse(name).floor
    assert deephide.extract(recompressed(made.file, quality=quality), "key").data == SECRET


def test_photos_are_turned_and_shrunk(scene, cheap_kdf, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "turned.jpg"
    scene.resize((1440, 1080)).save(path, quality=95, exif=exif)
    made = deephide.embed(SECRET, path, "key", codec="file", channel="any")
    assert made.stego.size == (810, 1080)
    assert not Image.open(io.BytesIO(made.file)).getexif()


def test_transparent_and_gray_photos(scene, cheap_kdf):
    for image in (scene.convert("RGBA"), scene.convert("L")):
        made = deephide.embed(SECRET, image, "key", codec="file", channel="any")
        assert deephide.extract(recompressed(made.file, quality=80), "key").data == SECRET


def test_what_cannot_survive_is_refused_with_a_reason(scene, cheap_kdf):
    flat = Image.new("RGB", (480, 360), (90, 120, 30))
    with pytest.raises(deephide.CapacityError, match="any") as caught:
        deephide.embed(SECRET, flat, "key", codec="file", channel="any")
    assert "texture" in caught.value.hint
    with pytest.raises(deephide.CapacityError, match="too small"):
        deephide.embed(SECRET, scene.resize((60, 60)), "key", codec="file", channel="any")
    with pytest.raises(deephide.CapacityError, match="too small"):
        long = np.random.default_rng(1).bytes(4000)
        deephide.embed(long, scene, "key", codec="file", channel="any")


def test_options_that_mean_nothing_for_a_channel(scene, cheap_kdf):
    with pytest.raises(ValueError, match="channel: got 'pigeon'"):
        deephide.embed(SECRET, scene, "key", codec="file", channel="pigeon")
    with pytest.raises(ValueError, match="cost: got 'hill'"):
        deephide.embed(SECRET, scene, "key", cost="hill", codec="file", channel="any")
    recipient = "deephide-pub-" + "a" * 56
    with pytest.raises(deephide.PassphraseError):
        deephide.embed(SECRET, scene, recipients=[recipient], codec="file", channel="any")


def test_an_image_gets_fewer_bytes_where_more_do_not_survive(scene, cheap_kdf, monkeypatch):
    sizes = []
    monkeypatch.setattr(sending, "_SAFE_DENSITY", 40)

    def climb(photo, channel, plaintext, derive, **options):
        sizes.append(len(plaintext))
        if len(sizes) == 1:
            raise deephide.CapacityError("lost", needed_bits=1, capacity_bits=0)
        return original(photo, channel, plaintext, derive, **options)

    original = ladder.climb
    monkeypatch.setattr(ladder, "climb", climb)
    deephide.embed(scene, scene, "key", codec="image", channel="any")
    assert sizes[1] < sizes[0]
    assert sizes[1] <= sending.SMALL_BUDGET + 10


def test_capacity_of_a_channel(scene):
    found = deephide.capacity(scene, channel="any")
    assert found.elements == 45 * 60 * 49
    assert 0 < found.safe_bits < found.hard_bits
    assert np.isnan(found.detector_error)


def test_names_of_channels():
    assert parse("any").survives.endswith("every quality from 75 up")
    assert "quality 80" in parse("jpeg:80").survives
    for name in ("any:70", "jpeg:49", "jpeg:96", "jpeg:", "any:", "Any", "jpeg:8000"):
        with pytest.raises(ValueError, match="channel: got"):
            parse(name)


def test_survival_is_tried_one_by_one(stego, monkeypatch):
    few = [battery.hops((75,)), battery.hops((50,))]
    monkeypatch.setattr(survival, "channels_to_try", lambda: iter(few))
    found = list(survival.survivals(stego.file, "key", None, None, None))
    assert [(each.channel, each.survived) for each in found] == [
        ("JPEG 75", True),
        ("JPEG 50", False),
    ]
    page = survival.page("<my photo>.jpg", found)
    assert "&lt;my photo&gt;.jpg" in page
    assert page.count("<tr><td>") == 2
    with pytest.raises(deephide.ExtractionError):
        list(survival.survivals(stego.file, "other", None, None, None))


def test_everything_that_can_be_tried_gives_a_file(scene):
    names = [each.name for each in battery.channels_to_try()]
    assert len(names) == len(set(names)) >= 20
    small = scene.resize((64, 48))
    for each in battery.channels_to_try():
        width, height = Image.open(io.BytesIO(each.apply(small))).size
        assert 32 <= width <= 64 and abs(height - 0.75 * width) < 4


def test_every_platform_says_where_its_figures_are_from():
    for platform in PLATFORMS.values():
        assert profiles.parse(platform.channel)
        assert platform.source
        assert platform.date[:2] == "20"
