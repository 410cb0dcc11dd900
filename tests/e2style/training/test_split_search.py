"""The search of Eq. 1: by a quality that is known, and by trainings of a few thousand weights."""

import dataclasses
import json

import pytest

from e2style.architectures import e2style
from e2style.config import EncoderConfig
from e2style.errors import ConfigError
from e2style.models.counting import count_parameters
from e2style.training.split_search import encoder_of, search, search_split


@pytest.mark.parametrize(
    ("rows", "need"), [(18, (9, 5)), (10, (3, 2)), (18, (1, 0)), (14, (13, 1))]
)
def test_the_split_that_the_search_finds_is_the_smallest_that_is_good_enough(rows, need):
    asked = []

    def quality(split):
        asked.append(split)
        assert sum(split) == rows
        deep, middle, _ = split
        return (
            0.6 - 0.05 * max(need[0] - deep, 0) - 0.05 * max(need[0] + need[1] - deep - middle, 0)
        )

    assert search(rows, quality) == (*need, rows - sum(need))
    assert len(set(asked)) < 14  # not every split


def test_a_loss_within_the_tolerance_is_accepted_in_each_search():
    def quality(split):
        _, middle, shallow = split
        return 1 - 0.0039 * (middle + shallow) - 0.0045 * shallow

    assert search(18, quality, 0.0) == (18, 0, 0)
    # .9805 of 1 is left, then .9625, which is more than 98 % of it; a fifth row would leave .958.
    assert search(18, quality, 0.02) == (13, 1, 4)


@pytest.mark.parametrize("split", [(18, 0, 0), (9, 9, 0), (9, 5, 4)])
def test_each_candidate_is_an_encoder(split):
    config = dataclasses.replace(e2style(), encoder=encoder_of(EncoderConfig(), split))
    assert config.encoder.split == split[::-1]
    assert [bool(pool) for pool in config.encoder.pools] == [bool(n) for n in split[::-1]]
    assert count_parameters(config)["counted"] > 50e6
    if split == (9, 5, 4):
        assert config == e2style()


def test_a_search_trains_measures_and_goes_on(config, faces_zip, tmp_path):
    config = dataclasses.replace(config, images=8, validation=str(faces_zip))
    begun = []
    found, tried = search_split(config, tmp_path / "runs", begun=begun.append)
    assert sum(found) == config.model.generator.n_codes
    assert tried[0].split == (6, 0, 0) and found in [each.split for each in tried]
    assert begun == [each.split for each in tried]
    for each in tried:
        run = tmp_path / "runs" / f"split-{'-'.join(map(str, each.split))}"
        stored = json.loads((run / "config.json").read_text())
        assert stored["model"]["encoder"]["split"] == list(each.split[::-1])
        assert json.loads((run / "measured-split.json").read_text())["ssim"] == each.ssim
    by_split = {each.split: each for each in tried}
    assert search(6, lambda split: by_split[split].ssim) == found
    times = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*split.json")}
    assert search_split(config, tmp_path / "runs") == (found, tried)
    assert times == {path: path.stat().st_mtime_ns for path in times}  # nothing again


def test_a_search_needs_images_to_measure_on_and_three_levels(config, tmp_path):
    with pytest.raises(ConfigError, match="needs validation images"):
        search_split(config, tmp_path)
    two = EncoderConfig(widths=(8, 8), units=(1, 1), pools=(2, 2), split=(2, 4))
    with pytest.raises(ConfigError, match="for three levels"):
        encoder_of(two, (6, 0, 0))
