"""Editing directions of the default model: a search, of which those ship that work.

    python recipes/directions.py --data FOLDER --weights FOLDER --faces 6607

No labels exist for the training faces but the folders of one set, men and women. So attributes are
measured (see face_attributes.py); the fifth of the faces with most of one and the fifth with least
are the two sets of a direction. Each method's direction is tried on held-out faces: these are
generated at strengths -2, 0 and 2, and the attribute is measured again on the result. It ships
if the attribute follows it, in nearly all faces, and the face stays the same person.

What is measured of the training faces does not depend on the model and is kept in --cache. With
--check the directions that ship are only measured once more, on so many held-out faces.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from face_attributes import Attributes, separating
from PIL import Image

import e2style
from e2style.applications import directions
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE
from e2style.inference.interface import generate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "models" / "directions.json"
GENDER = "gender"
SHARE = 0.2  # of the faces on either side
STRENGTH = 2.0
SAME = 0.6  # below this distance two images count as of one person
# What a direction must do to ship: move the attribute by so many of its standard deviations between
# both strengths, in this share of faces, and keep dlib's distance to the unedited face below this.
LEAST_EFFECT, LEAST_RISING, MOST_DISTANCE = 1.0, 0.8, 0.6
# What each direction may be made orthogonal to, if that is better.
APART = {"smile": [GENDER], "teeth": [GENDER], "hair": [GENDER], "yaw": [], GENDER: ["smile"]}
TITLES = {"hair": "hair-lightness", GENDER: "feminine"}


def measured(faces, attributes, cache):
    """Attributes (N,) by name and descriptors (N, 128) of the training faces."""
    if cache is not None and cache.exists():
        with np.load(cache) as stored:
            if stored["names"].tolist() == faces.names:
                return {name: stored[name] for name in Attributes.names}, stored["likeness"]
    images = [Image.fromarray(each) for each in faces.images]
    rows = [attributes(image) for image in images]
    table = {name: np.array([row[name] for row in rows]) for name in Attributes.names}
    descriptors = np.stack([attributes.descriptor(image) for image in images])
    if cache is not None:
        np.savez(cache, names=np.array(faces.names), likeness=descriptors, **table)
    return table, descriptors


def labelled(faces, descriptors):
    """Which faces the folders call women, which men, and a plane between both in descriptors."""
    women = np.array([group.endswith("/woman") for group in faces.groups])
    men = np.array([group.endswith("/man") for group in faces.groups])
    known = women | men
    return women, men, separating(descriptors[known], women[known])


class Trial:
    """Held-out faces on which directions are tried."""

    def __init__(self, model, faces, attributes, plane):
        self._model, self._plane = model, plane
        self._codes = encode_set(model, faces)
        self._attributes = attributes
        self._plain = [attributes.descriptor(image) for image in generate(model, self._codes)]

    def _measure(self, name, image):
        if name == GENDER:
            return self._attributes.descriptor(image) @ self._plane[0] - self._plane[1]
        return self._attributes(image, (name,))[name]

    def __call__(self, name, direction, unit):
        """Effect in `unit`, share of faces in which it rises, distance from the unedited ones.

        `same` is the share of the edited images that count as the same person.
        """
        values, apart = [], []
        for strength in (-STRENGTH, STRENGTH):
            edited = generate(self._model, directions.apply(self._codes, direction, strength))
            values.append([self._measure(name, image) for image in edited])
            found = [self._attributes.descriptor(image) for image in edited]
            pairs = zip(found, self._plain, strict=True)
            apart += [float(np.linalg.norm(own - plain)) for own, plain in pairs]
        rise = np.array(values[1]) - np.array(values[0])
        return {
            "effect": round(float(np.nanmean(rise) / unit), 2),
            "rising": round(float((rise > 0).mean()), 2),
            "distance": round(float(np.mean(apart)), 3),
            "same": round(float((np.array(apart) < SAME).mean()), 2),
        }


def good(trial):
    return (
        trial["effect"] >= LEAST_EFFECT
        and trial["rising"] >= LEAST_RISING
        and trial["distance"] <= MOST_DISTANCE
    )


def candidates(model, codes, sets):
    """Directions by name and then by how they were found."""
    found = {
        name: {
            method: directions.learn(TITLES.get(name, name), model, *pair, method=method)
            for method in directions.METHODS
        }
        for name, pair in sets.items()
    }
    for name, others in APART.items():
        for other in others:
            plain = found[name]["means"]
            apart = directions.orthogonal(plain, [found[other]["means"]])
            found[name][f"means, apart from {other}"] = apart
    return found


def check(model, trial, units, faces, path):
    """Measure what ships on held-out faces, and put it into the results."""
    results = json.loads(path.read_text())
    found = {}
    for name in directions.names(model):
        attribute = next((key for key, title in TITLES.items() if title == name), name)
        direction = directions.load_direction(name, model)
        found[name] = trial(attribute, direction, units[attribute])
        print(name, found[name], flush=True)
    results["checked"] = {"faces": faces, "directions": found}
    path.write_text(json.dumps(results, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train.zip, val.zip")
    parser.add_argument("--weights", type=Path, required=True, help="see face_attributes.py")
    parser.add_argument("--output", type=Path, default=directions.FOLDER, help="folder to fill")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what was measured (.json)")
    parser.add_argument("--model", help="model file; the default model otherwise")
    parser.add_argument("--faces", type=int, default=2000, help="training faces to look at")
    parser.add_argument("--trials", type=int, default=24, help="held-out faces to try on")
    parser.add_argument("--cache", type=Path, help="keep what is measured of faces here (.npz)")
    parser.add_argument("--check", type=int, metavar="FACES", help="only measure what ships")
    options = parser.parse_args()
    model = e2style.load(options.model)
    faces = FaceSet(options.data / "train.zip", COMPARED_SIDE, limit=options.faces)
    attributes = Attributes(options.weights)
    table, descriptors = measured(faces, attributes, options.cache)
    women, men, plane = labelled(faces, descriptors)
    units = {name: np.nanstd(values) for name, values in table.items()}
    units[GENDER] = (descriptors[women | men] @ plane[0]).std()
    limit = options.check or options.trials
    held_out = FaceSet(options.data / "val.zip", COMPARED_SIDE, limit=limit)
    trial = Trial(model, held_out, attributes, plane)
    if options.check:
        check(model, trial, units, len(held_out), options.results)
        return
    codes = encode_set(model, faces)
    sets = {GENDER: (codes[women], codes[men])}
    for name, values in table.items():
        low, high = np.nanquantile(values, (SHARE, 1 - SHARE))
        sets[name] = (codes[values >= high], codes[values <= low])
    shipped, report = [], {}
    for name, by_method in candidates(model, codes, sets).items():
        tried = {how: trial(name, each, units[name]) for how, each in by_method.items()}
        report[TITLES.get(name, name)] = tried
        print(name, json.dumps(tried, indent=1), flush=True)
        working = [how for how, row in tried.items() if good(row)]
        if working:
            # The same person matters more than a strong effect, which a higher strength gives.
            best = max(working, key=lambda how: tried[how]["effect"] / tried[how]["distance"])
            shipped.append(by_method[best])
            report[TITLES.get(name, name)]["shipped"] = best
    options.output.mkdir(exist_ok=True)
    for old in options.output.glob("*.safetensors"):
        old.unlink()
    for each in shipped:
        (options.output / f"{each.name}.safetensors").write_bytes(each.to_bytes())
    settings = {"model": model.name, "faces": len(faces), "trials": len(held_out)}
    options.results.write_text(json.dumps(settings | {"directions": report}, indent=1) + "\n")
    print("shipped:", ", ".join(each.name for each in shipped) or "none")


if __name__ == "__main__":
    main()
