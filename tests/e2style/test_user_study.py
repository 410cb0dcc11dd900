"""Page and count of the preference study."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from loading import load_module
from PIL import Image

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "user_study.py"


@pytest.fixture
def study(tmp_path):
    module = load_module(SCRIPT)
    for k, name in enumerate(("in", "ours", "theirs")):
        (tmp_path / name).mkdir()
        for number in range(5):
            Image.new("RGB", (8, 8), (50 * number, 90 * k, 7)).save(
                tmp_path / name / f"{number}.png"
            )
    methods = {"ours": tmp_path / "ours", "theirs": tmp_path / "theirs"}
    module.make(tmp_path / "study", tmp_path / "in", methods, 5, 0)
    return module, tmp_path / "study"


def test_the_page_says_nothing_of_whose_an_image_is(study):
    _, folder = study
    page = (folder / "page.html").read_text()
    key = json.loads((folder / "key.json").read_text())
    assert "ours" not in re.sub(r"data:image/png;base64,[\w+/=]+", "", page)
    assert len(key) == page.count('"id"') == 5
    assert {own["left"] for own in key.values()} == {"ours", "theirs"}
    assert not re.search(r"(src|href)=.?https?:", page)


def test_preferences_are_counted_whatever_side_they_stood_on(study):
    module, folder = study
    key = json.loads((folder / "key.json").read_text())
    answers = []
    for person in range(12):
        for question, own in key.items():
            side = "left" if own["left"] == "ours" else "right"
            if person % 4 == 0:
                side = {"left": "right", "right": "left"}[side]
            answers.append({"person": str(person), "question": question, "side": side})
    ours, theirs = module.counted(key, answers)
    assert (ours["preferred"], theirs["preferred"]) == (0.75, 0.25)
    assert ours["low"] < 0.75 < ours["high"]
    assert ours["high"] - ours["low"] > 0.3  # twelve people, not sixty answers
    assert np.isclose(ours["low"], 1 - theirs["high"])
