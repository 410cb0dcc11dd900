"""Main job on held-out faces: integers recovered, and quality of the reconstructions.

    python benchmarks/main_job.py quality    recovered against secret: PSNR, SSIM, identity, bits
    python benchmarks/main_job.py recover    50 secrets x 10 carriers: integers come back exactly
    python benchmarks/main_job.py cost       wall time and peak memory of both commands

Needs ../shared (faces of val.zip, the dlib network) and scikit-image's images. Each prints a
line per figure and writes JSON with commit, CPU and versions.
"""

import argparse
import hashlib
import io
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import metadata

import numpy as np
import skimage.data
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"
FACES = SHARED / "data" / "faces" / "val.zip"
PHOTOS = pathlib.Path(skimage.data.__file__).parent


def carriers() -> dict[str, Image.Image]:
    """Ten carriers: gray and RGB, 256 to 1024 px, smooth and textured."""

    def photo(name: str) -> Image.Image:
        return Image.open(PHOTOS / name)

    found = {
        "camera-256-gray": photo("camera.png").resize((256, 256), Image.Resampling.BOX),
        "astronaut-256": photo("astronaut.png").resize((256, 256), Image.Resampling.BOX),
        "brick-512-gray": photo("brick.png"),
        "gravel-512-gray": photo("gravel.png"),
        "grass-512-gray": photo("grass.png"),
        "moon-512-gray-smooth": photo("moon.png"),
        "astronaut-512": photo("astronaut.png"),
        "coffee-600x400": photo("coffee.png"),
        "motorcycle-741x497": photo("motorcycle_left.png"),
        "retina-1024-smooth": photo("retina.jpg").resize((1024, 1024), Image.Resampling.LANCZOS),
    }
    return {k: v.convert("L" if "gray" in k else "RGB") for k, v in found.items()}


def read_faces(count: int | None = None) -> dict[str, Image.Image]:
    """Images of val.zip by stem, `count` of them spread over the set."""
    with zipfile.ZipFile(FACES) as archive:
        names = sorted(archive.namelist())
        if count:
            names = [names[i] for i in np.linspace(0, len(names) - 1, count).round().astype(int)]
        return {
            pathlib.Path(n).stem: Image.open(io.BytesIO(archive.read(n))).convert("RGB")
            for n in names
        }


def quality(model: str | None) -> dict:
    """Recovered against secret on all of val.zip, as transmitted."""
    sys.path.insert(0, str(SHARED / "tools"))
    from dlib_distance import embed

    import e2style
    from deephide.codecs import latent
    from deephide.container import layout
    from e2style.data.faces import FaceSet
    from e2style.evaluation.sets import order0_entropy, quantizer_of, reconstruct
    from e2style.metrics.agreement import agreement

    loaded = e2style.load(model)
    quantizer = quantizer_of(loaded)
    faces = FaceSet(FACES, 256)
    found = reconstruct(loaded, faces)
    distances = np.array(
        [
            float((embed(Image.fromarray(a)) - embed(Image.fromarray(b))).norm())
            for a, b in zip(faces.images, found.generated, strict=True)
        ]
    )
    sizes = np.array(
        [8 * (layout.OVERHEAD_BYTES + len(latent.compress(i, quantizer))) for i in found.integers]
    )
    agreements = [agreement(a, b) for a, b in zip(faces.images, found.generated, strict=True)]
    groups = {
        group: float(distances[[g == group for g in faces.groups]].mean())
        for group in sorted(set(faces.groups))
    }
    return {
        "faces": len(faces),
        "psnr_db": float(found.psnr.mean()),
        "ssim": float(found.ssim.mean()),
        "dlib_mean": float(distances.mean()),
        "dlib_ci95": np.percentile(_bootstrap(distances), (2.5, 97.5)).round(4).tolist(),
        "dlib_share_under_0.5": float((distances < 0.5).mean()),
        "dlib_mean_by_group": groups,
        "payload_bits_everything": float(sizes.mean()),
        "payload_bits_median": float(np.median(sizes)),
        "payload_share_over_8000": float((sizes > 8000).mean()),
        "payload_bits_max": int(sizes.max()),
        "order0_entropy_bits": float(order0_entropy(found.integers).mean()),
        "table_ideal_bits": float(found.ideal_bits.mean()),
        "refused_by_auto": int(
            sum(
                a < loaded.accept_psnr or b > loaded.accept_bits
                for a, b in zip(agreements, found.ideal_bits, strict=True)
            )
        ),
        "nonzero_integers": float((found.integers != 0).mean(0).sum()),
    }


def _bootstrap(values: np.ndarray, rounds: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return values[rng.integers(0, len(values), (rounds, len(values)))].mean(1)


# Run in processes of their own: argv is folder, threads, model, verb.
_WORKER = """
import hashlib, json, pathlib, sys
import numpy as np
import torch
from PIL import Image
torch.set_num_threads(int(sys.argv[2]))
import deephide, e2style
from deephide import models, pipeline
model = e2style.load(sys.argv[3] or None)
folder = pathlib.Path(sys.argv[1])
sha = lambda data: hashlib.sha256(data).hexdigest()
exact = lambda integers: sha(np.ascontiguousarray(integers, dtype="<i4").tobytes())
found = {}
if sys.argv[4] == "embed":
    for secret in sorted(folder.glob("secret-*.png")):
        options = deephide.EmbedOptions(
            passphrase="benchmark", model=model, cost="hill", codec="latent"
        )
        job = pipeline.hide(Image.open(secret), folder / "carrier.png", options,
                            random=lambda n: b"0123456789abcdef"[:n])
        found[secret.stem] = [exact(job.result.integers),
                              sha(job.result.file)]
else:
    dequantise, seen = models.dequantise, []
    models.dequantise = lambda m, i, q: (seen.append(i), dequantise(m, i, q))[1]
    for path in sorted(folder.glob("*.png")):
        image = deephide.extract(path, "benchmark", model).image
        found[path.stem] = [exact(seen.pop()), sha(image.tobytes())]
print(json.dumps(found))
"""


def _workers(folder: str, model: str | None, verb: str) -> list[dict]:
    """The same work in two processes with other hash seeds and thread counts."""
    answers = []
    for seed, threads in (("0", "1"), ("4711", "2")):
        done = subprocess.run(
            [sys.executable, "-c", _WORKER, folder, threads, model or "", verb],
            env=os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": threads},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        answers.append(json.loads(done.stdout))
    return answers


def recover(model: str | None, secrets: int) -> dict:
    """Embed here, extract in two other processes, compare integers and generated images.

    Ten secrets are also embedded in two processes, with one salt, to compare the files made.
    """
    import deephide
    import e2style

    loaded = e2style.load(model)
    sent, rates, bits = {}, [], []
    with tempfile.TemporaryDirectory() as folder:
        for stem, face in read_faces(secrets).items():
            for name, carrier in carriers().items():
                path = pathlib.Path(folder) / f"{stem}-{name}.png"
                result = deephide.embed_file(
                    face, carrier, path, "benchmark", loaded, codec="latent"
                )
                integers = np.ascontiguousarray(result.integers, dtype="<i4")
                sent[path.stem] = [
                    hashlib.sha256(integers.tobytes()).hexdigest(),
                    hashlib.sha256(result.preview.tobytes()).hexdigest(),
                ]
                rates.append(result.change_rate)
                bits.append(result.payload_bits)
        read = _workers(folder, model, "extract")
    with tempfile.TemporaryDirectory() as folder:
        for stem, face in read_faces(10).items():
            face.save(pathlib.Path(folder) / f"secret-{stem}.png")
        carriers()["astronaut-512"].save(pathlib.Path(folder) / "carrier.png")
        made = _workers(folder, model, "embed")
    return {
        "stegos": len(sent),
        "integers_exact": [sum(a[k][0] == sent[k][0] for k in sent) for a in read],
        "pictures_identical": [sum(a[k][1] == sent[k][1] for k in sent) for a in read],
        "files_made_identical": f"{sum(made[0][k] == made[1][k] for k in made[0])}/{len(made[0])}",
        "payload_bits_mean": float(np.mean(bits)),
        "change_rate_mean": float(np.mean(rates)),
    }


def cost(repeats: int) -> dict:
    """Whole processes on a 512 x 512 RGB carrier; best of several, peak of all."""
    program = pathlib.Path(sys.executable).with_name("deephide")
    found: dict[str, list[float]] = {"embed": [], "extract": []}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        next(iter(read_faces(1).values())).save(folder / "secret.png")
        carriers()["astronaut-512"].save(folder / "carrier.png")
        calls = {
            "embed": ["--secret", "secret.png", "--carrier", "carrier.png", "--codec", "latent"],
            "extract": ["stego.png"],
        }
        peaks = {"embed": 0, "extract": 0}
        for _ in range(repeats):
            for verb, arguments in calls.items():
                began = time.perf_counter()
                child = subprocess.Popen(
                    [program, verb, *arguments, "--force", "-q"],
                    cwd=folder,
                    stdout=subprocess.DEVNULL,
                )
                _, status, usage = os.wait4(child.pid, 0)
                child.returncode = os.waitstatus_to_exitcode(status)
                if child.returncode:
                    raise RuntimeError(f"deephide {verb} failed with {child.returncode}")
                found[verb].append(time.perf_counter() - began)
                peaks[verb] = max(peaks[verb], usage.ru_maxrss)
    return {
        "embed_s": [round(v, 2) for v in found["embed"]],
        "extract_s": [round(v, 2) for v in found["extract"]],
        "embed_peak_mib": round(peaks["embed"] / 1024),
        "extract_peak_mib": round(peaks["extract"] / 1024),
    }


def main() -> None:
    """Run the measurement that was asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("quality", "recover", "cost"))
    parser.add_argument("--model", help="model file; the default model otherwise")
    parser.add_argument("--secrets", type=int, default=50)
    parser.add_argument("--json", type=pathlib.Path, help="write the figures here")
    arguments = parser.parse_args()
    runs = {
        "quality": lambda: quality(arguments.model),
        "recover": lambda: recover(arguments.model, arguments.secrets),
        "cost": lambda: cost(3),
    }
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    report: dict = {
        "commit": commit.stdout.strip(),
        "machine": platform.processor() or platform.machine(),
        "versions": {n: metadata.version(n) for n in ("torch", "numpy", "numba", "pillow")},
    }
    for name, run in runs.items():
        if arguments.what in (None, name):
            report[name] = run()
            print(name)
            for key, value in report[name].items():
                print(f"  {key:26} {value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
