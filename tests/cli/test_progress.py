"""Forecast of the time left, with a clock of the test's own."""

import os
import subprocess
import sys

import pytest

import deephide
from cli.progress import Forecast, stage_weights

ROOT = os.path.dirname(os.path.dirname(deephide.__file__))


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_nothing_is_foretold_before_a_stage_is_over(clock):
    forecast = Forecast([2, 1, 1], clock)
    clock.now += 50
    forecast.advance(0)
    assert forecast.left() is None and forecast.fraction() is None


def test_the_first_stage_foretells_the_others(clock):
    forecast = Forecast([2, 1, 1], clock)
    clock.now += 6
    forecast.advance(1)
    assert forecast.left() == pytest.approx(6) and forecast.fraction() == pytest.approx(0.5)
    clock.now += 2
    forecast.advance(1)
    assert forecast.left() == pytest.approx(4)


def test_a_slow_stage_leaves_the_time_of_those_after_it(clock):
    forecast = Forecast([2, 1, 1], clock)
    clock.now += 6
    forecast.advance(1)
    clock.now += 60
    assert forecast.left() == pytest.approx(3)
    forecast.advance(2)
    assert forecast.left() == pytest.approx(22)  # learnt from: 66 s were three quarters
    clock.now += 22
    forecast.advance(3)
    assert forecast.left() == 0 and forecast.fraction() == 1


def test_stages_that_take_no_time_are_no_division_by_zero(clock):
    forecast = Forecast([1, 1], clock)
    forecast.advance(2)
    assert forecast.left() == 0 and forecast.fraction() is None


def test_large_carriers_move_the_weight_to_the_later_stages(tmp_path):
    photo = tmp_path / "photo.png"
    photo.write_bytes(bytes(5_000_000))
    large = stage_weights(deephide.STAGES, str(photo))
    none = stage_weights(deephide.STAGES, str(tmp_path / "missing.png"))
    assert len(large) == len(none) == len(deephide.STAGES)
    assert none[0] > 0.9 * sum(none) and large[0] < 0.5 * sum(large)


@pytest.mark.parametrize(
    ("secret", "carrier", "said"),
    [
        ("missing.png", "photo.png", "the secret does not exist"),
        ("face.png", "missing.png", "the carrier does not exist"),
    ],
)
def test_a_mistyped_path_is_refused_before_anything_heavy_is_loaded(folder, secret, carrier, said):
    code = (
        f"import atexit, sys; sys.path.insert(0, {ROOT!r})\n"
        "from cli.deephide_app import main\n"
        "atexit.register(lambda: print(sorted({'torch', 'numba'} & set(sys.modules))))\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "embed", "--secret", secret, "--carrier", carrier],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
    )
    assert done.returncode == 3
    assert done.stdout == "[]\n" and said in done.stderr
