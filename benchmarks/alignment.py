"""Alignment of faces: share of faces found, error of the eyes, time per image.

Three questions, on the held-out faces, which are aligned already, and on portraits, which are not:
where the detector sees the eyes of an aligned face; where they lie after a face that was shrunk,
turned and moved was aligned again; where they lie in aligned portraits. Positions are compared
with (0.38, 0.47) and (0.62, 0.47) and given in fractions of the side. In a portrait the eyes are
where the detector sees them once more, so there the error is its own disagreement with itself.
"""

import argparse
import json
import time
import zipfile
from pathlib import Path

import numpy as np
from e2style_training_speed import machine
from PIL import Image

from e2style.data import align
from e2style.data.archive import Archive, photo
from e2style.data.detect import load_detector
from e2style.errors import DataError

SHARED = Path(__file__).resolve().parents[2] / "shared"
CANVAS = (640, 480)
TURNS = (0, 15, 30, 45)  # degrees, at most


def summary(errors, total, seconds):
    """Detection rate, error of the eyes and time per image."""
    errors = np.array(errors)
    return {
        "pictures": total,
        "found": len(errors),
        "rate": round(len(errors) / total, 4),
        "mean_error": round(float(errors.mean()), 5) if len(errors) else None,
        "p95_error": round(float(np.percentile(errors, 95)), 5) if len(errors) else None,
        "max_error": round(float(errors.max()), 5) if len(errors) else None,
        "cpu_s": round(seconds / total, 4),
    }


def eyes_off(landmarks, side):
    """Mean distance of both eyes from their place, in fractions of the side."""
    return float(np.hypot(*(landmarks[:2] / side - align.EYES).T).mean())


def on_aligned(detector, faces):
    errors, start = [], time.process_time()
    for face in faces:
        found = detector.find(face)
        if found:
            errors.append(eyes_off(found[0].landmarks, face.width))
    return summary(errors, len(faces), time.process_time() - start)


def on_moved(detector, faces, turn, rng):
    """Errors in images whose true eyes are known, because we put them there."""
    errors, start = [], time.process_time()
    for face in faces:
        angle = np.deg2rad(rng.uniform(-turn, turn))
        half = rng.uniform(70, 160)
        centre = np.array(CANVAS) / 2 + rng.uniform(-60, 60, 2)
        truth = align.Placement(centre, half * np.array([np.cos(angle), np.sin(angle)]))
        canvas = Image.new("RGB", CANVAS, (120, 110, 100))
        try:
            found = align.align(align.paste(canvas, truth, face), detector, 256)
        except DataError:
            continue
        eyes = truth.corners[0] + align.EYES @ axes(truth)
        back = (eyes - found.placement.corners[0]) @ np.linalg.inv(axes(found.placement))
        errors.append(float(np.hypot(*(back - align.EYES).T).mean()))
    return summary(errors, len(faces), time.process_time() - start)


def axes(placement):
    """Edges of the square as rows: right, then down."""
    x, y = 2 * placement.right
    return np.array([[x, y], [-y, x]])


def on_portraits(detector, portraits):
    errors, start, faces = [], time.process_time(), []
    for portrait in portraits:
        faces.append(len(detector.find(portrait)))
        try:
            found = align.align(portrait, detector, 512)
        except DataError:
            continue
        again = detector.find(found.image)
        if again:
            errors.append(eyes_off(again[0].landmarks, 512))
    result = summary(errors, len(portraits), time.process_time() - start)
    return result | {"one_face": sum(n == 1 for n in faces)}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, default=SHARED / "data" / "faces" / "val.zip")
    parser.add_argument("--portraits", type=Path, default=SHARED / "data" / "portraits")
    parser.add_argument("--weights", type=Path, default=SHARED / "weights")
    parser.add_argument("--every", type=int, default=1, help="take every n-th face only")
    parser.add_argument("--output", type=Path, help="write a JSON file")
    options = parser.parse_args()
    detector = load_detector(options.weights)
    with zipfile.ZipFile(options.faces) as archive:
        faces = [photo(archive.read(name)) for name in archive.namelist()[:: options.every]]
    portraits = Archive(options.portraits)
    rng = np.random.default_rng(0)
    result = {
        "machine": machine(),
        "aligned": on_aligned(detector, faces),
        "moved": {f"to {turn} degrees": on_moved(detector, faces, turn, rng) for turn in TURNS},
        "portraits": on_portraits(detector, [photo(portraits.read(n)) for n in portraits.names]),
    }
    text = json.dumps(result, indent=1)
    print(text)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
