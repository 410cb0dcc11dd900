"""Several photos that share one secret, in both modes, in memory and in files."""

import numpy as np
import pytest
from PIL import Image

import deephide

SECRET = bytes(range(200))


@pytest.fixture
def photos(tmp_path, make_texture):
    """Three photos of different sizes and kinds."""
    paths = [tmp_path / name for name in ("one.png", "two.png", "three.jpg")]
    for seed, path in enumerate(paths):
        samples = make_texture(120 + 8 * seed, 160, 3, seed)
        Image.fromarray(samples).save(path, quality=92)
    return paths


@pytest.fixture
def sent(tmp_path):
    (tmp_path / "sent").mkdir()
    return tmp_path / "sent"


def hide(photos, sent, needed=2, **options):
    return deephide.embed_files(
        SECRET, photos, sent, "p", codec="file", needed=needed, name="plan.bin", **options
    )


def test_any_two_of_three_are_enough(photos, sent, cheap_kdf):
    results = hide(photos, sent)
    stegos = [sent / path.name for path in photos]
    assert [each.element_name for each in results] == ["samples", "samples", "coefficients"]
    assert "share 3 of 3, of which any 2 are enough" in results[2].reason
    assert max(each.payload_bits for each in results) < 8 * len(SECRET)
    for left_out in stegos:
        found = deephide.extract([each for each in stegos if each != left_out], "p")
        assert (found.data, found.name) == (SECRET, "plan.bin")
    with pytest.raises(deephide.IncompleteError, match="found 1 of the 2 photos"):
        deephide.extract(stegos[0], "p")


def test_photos_without_a_share_are_left_out(photos, sent, cheap_kdf, caplog, tmp_path):
    hide(photos, sent)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    given = [photos[0], tmp_path / "broken.png", sent / "two.png", sent / "three.jpg"]
    assert deephide.extract(given, "p").data == SECRET
    assert caplog.text.count("is left out") == 2
    with pytest.raises(deephide.ExtractionError):
        deephide.extract(photos[:2], "p")
    with pytest.raises(deephide.ExtractionError):
        deephide.extract([sent / "two.png", sent / "three.jpg"], "q")


def test_all_are_needed_by_default_and_hold_least(photos, sent, cheap_kdf):
    some = hide(photos, sent, needed=1, dry_run=True)
    every = hide(photos, sent, needed=None)
    assert max(each.payload_bits for each in every) < min(each.payload_bits for each in some) / 2
    with pytest.raises(deephide.IncompleteError, match="found 2 of the 3"):
        deephide.extract([sent / "one.png", sent / "two.png"], "p")


def test_a_photo_with_a_secret_of_its_own_does_not_mix(photos, sent, cheap_kdf):
    hide(photos, sent)
    deephide.embed_file(b"alone", photos[0], sent / "alone.png", "p", codec="file")
    with pytest.raises(deephide.IncompleteError, match="a secret of its own"):
        deephide.extract([sent / "alone.png", sent / "two.png"], "p")


def test_padded_shares_and_recipients(photos, sent, tmp_path):
    public = deephide.keygen(tmp_path / "identity.txt")
    deephide.embed_files(
        SECRET, photos[:2], sent, codec="file", pad=True, recipients=[public], shrink=0.9
    )
    stegos = [sent / path.name for path in photos[:2]]
    found = deephide.extract(stegos, identity=tmp_path / "identity.txt")
    assert found.data == SECRET


def test_nothing_is_written_unless_all_is(photos, sent, cheap_kdf):
    (sent / "two.png").write_bytes(b"mine")
    with pytest.raises(deephide.OutputError, match="exists"):
        hide(photos, sent)
    assert [each.name for each in sent.iterdir()] == ["two.png"]


def test_equal_names_are_numbered(photos, sent, tmp_path, cheap_kdf, make_texture):
    (tmp_path / "more").mkdir()
    Image.fromarray(make_texture(120, 160, 3, 9)).save(tmp_path / "more" / "one.png")
    hide([photos[0], tmp_path / "more" / "one.png"], sent)
    assert sorted(each.name for each in sent.iterdir()) == ["one-2.png", "one.png"]


@pytest.mark.parametrize("needed", [0, 4])
def test_numbers_that_cannot_be(photos, sent, needed):
    with pytest.raises(ValueError, match="needed: got"):
        hide(photos, sent, needed=needed)


def test_a_channel_for_several_photos(sent, tmp_path, cheap_kdf):
    rng = np.random.default_rng(5)
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in paths:
        coarse = rng.normal(128, 25, (90, 120, 3)).repeat(4, 0).repeat(4, 1)
        noisy = np.clip(coarse + rng.normal(0, 8, coarse.shape), 1, 254).astype(np.uint8)
        Image.fromarray(noisy).save(path)
    results = deephide.embed_files(
        b"at noon", paths, sent, "p", codec="file", needed=1, channel="jpeg:80"
    )
    assert all(each.channel.survived for each in results)
    with Image.open(sent / "b.jpg") as image:
        image.save(tmp_path / "back.jpg", quality=80)
    assert deephide.extract(tmp_path / "back.jpg", "p").data == b"at noon"
