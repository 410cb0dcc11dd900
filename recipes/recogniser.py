"""Distillation of the small face recogniser that ships, from MobileFaceNet, and its limit.

    python recipes/recogniser.py --data FOLDER --weights FOLDER --steps 1000

The student sees training faces, blurred, noisy or recompressed now and then, and beside some of
them what the default model makes of them, since it has to judge what comes back; its embeddings,
and how alike it finds two faces, should be the teacher's. Every 22nd face is held out; on these the
limit is found below which a generated face counts as somebody else's, and what is printed is
measured on `val.zip`, which neither saw.
"""

import argparse
import io
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter

import e2style
from e2style.checkpoints.networks import SMALL_RECOGNISER, load_network, load_state, save_network
from e2style.data.faces import FaceSet
from e2style.evaluation.sets import encode_set
from e2style.images import COMPARED_SIDE, to_tensor
from e2style.inference.interface import generate
from e2style.models.mobilefacenet import MobileFaceNet
from e2style.models.recognisers import SmallRecogniser

HOLD_OUT, GENERATED, BATCH, RATE = 22, 800, 48, 2e-3
PAIRS, PAIR_WEIGHT = 10, 3.0  # of a face and its reconstruction in each batch
FAULTS = 0.01  # share of pairs of different people that may pass


def damaged(face, rng):
    """A face as it is, moved a little, or as codecs, blur and noise leave it."""
    image = Image.fromarray(face)
    side = image.width
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    shift = rng.uniform(-0.015, 0.015, 2) * side
    grow = rng.uniform(-0.03, 0.03) * side
    box = (shift[0] + grow, shift[1] + grow, side + shift[0] - grow, side + shift[1] - grow)
    image = image.transform((side, side), Image.Transform.EXTENT, box, Image.Resampling.BICUBIC)
    kind = rng.integers(6)
    if kind == 0:
        image = image.filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 4)))
    elif kind == 1:
        small = int(rng.integers(20, 120))
        image = image.resize((small, small), Image.Resampling.BICUBIC).resize((side, side))
    elif kind == 2:
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=int(rng.integers(0, 60)))
        image = Image.open(buffer).convert("RGB")
    elif kind == 3:
        noise = rng.normal(0, rng.uniform(4, 25), (side, side, 3))
        image = Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8))
    return image


def reconstructed(model, faces, rng):
    """Faces as the model reconstructs them, each at a quality that is drawn."""
    codes = encode_set(model, faces)
    found = []
    for code in codes:
        quantizer = model.quantizers[rng.integers(len(model.quantizers))]
        sent = quantizer.dequantise(quantizer.quantise(code))
        found.append(np.asarray(generate(model, sent[None])[0]))
    return np.stack(found)


@torch.inference_mode()
def embedded(network, images):
    tensors = to_tensor([Image.fromarray(each) for each in images], COMPARED_SIDE)
    return torch.cat([network(part) for part in tensors.split(32)]).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of train.zip, val.zip")
    parser.add_argument("--weights", type=Path, required=True, help="folder of mobilefacenet.npz")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--init", type=Path, help="go on from this file")
    parser.add_argument("-o", "--output", type=Path, default=SMALL_RECOGNISER)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    torch.manual_seed(0)
    faces = FaceSet(options.data / "train.zip", COMPARED_SIDE, hold_out=HOLD_OUT)
    model = e2style.load()
    part = FaceSet(options.data / "train.zip", COMPARED_SIDE, limit=GENERATED, hold_out=HOLD_OUT)
    pool = reconstructed(model, part, rng)
    teacher = load_state(MobileFaceNet(), options.weights / "mobilefacenet.npz")
    student = SmallRecogniser()
    if options.init:
        student.load_state_dict(load_network(options.init).state_dict())
    student.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(student.parameters(), RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=options.steps)
    recent = []
    for step in range(options.steps):
        pairs = rng.integers(0, len(pool), PAIRS)
        chosen = [part.images[k] for k in pairs] + [pool[k] for k in pairs]
        chosen += [faces.images[k] for k in rng.integers(0, len(faces), BATCH - len(chosen))]
        # A face that is compared with its reconstruction is shown undamaged.
        shown = [Image.fromarray(face) for face in chosen[: 2 * PAIRS]]
        shown += [damaged(face, rng) for face in chosen[2 * PAIRS :]]
        x = to_tensor(shown, COMPARED_SIDE)
        with torch.no_grad():
            wanted = F.normalize(teacher(x)[-1])
        found = student(x)
        off = found @ found.T - wanted @ wanted.T
        loss = (1 - (found * wanted).sum(1)).mean() + off.square().mean()
        loss = loss + PAIR_WEIGHT * off.diagonal(PAIRS)[:PAIRS].square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        recent = [*recent[-49:], loss.item()]
        if step % 50 == 49:
            print(f"{step + 1} steps, loss {np.mean(recent):.4f}", flush=True)
    student.eval().requires_grad_(False)
    tuned = FaceSet(options.data / "train.zip", COMPARED_SIDE, every=HOLD_OUT)
    descriptors = embedded(student, tuned.images)
    others = (descriptors @ descriptors.T)[~np.eye(len(tuned), dtype=bool)]
    limit = float(np.quantile(others, 1 - FAULTS))
    print(f"{FAULTS:.0%} of {len(tuned)} different people are more alike than {limit:.3f}")
    save_network(options.output, student, half=True)
    report(model, student, teacher, FaceSet(options.data / "val.zip", COMPARED_SIDE), limit)


def report(model, student, teacher, faces, limit):
    """Similarities that student and teacher find among the faces of `val.zip`, and behind codes."""
    codes = encode_set(model, faces)
    before = embedded(student, faces.images)
    known = embedded(lambda x: F.normalize(teacher(x)[-1]), faces.images)
    different = ~np.eye(len(faces), dtype=bool)
    alike, said = (before @ before.T)[different], (known @ known.T)[different]
    print(f"different: {alike.mean():.3f}, above the limit {(alike > limit).mean():.3%}")
    print(f"correlation with the teacher {np.corrcoef(alike, said)[0, 1]:.3f}")
    for number in (1, model.quality, len(model.quantizers)):
        quantizer = model.quantizers[number - 1]
        sent = quantizer.dequantise(quantizer.quantise(codes))
        found = np.stack([np.asarray(generate(model, code[None])[0]) for code in sent])
        same = (before * embedded(student, found)).sum(1)
        there = (known * embedded(lambda x: F.normalize(teacher(x)[-1]), found)).sum(1)
        print(
            f"quality {number}: {same.mean():.3f}, least {same.min():.3f}, below the limit "
            f"{(same < limit).mean():.1%}; teacher {there.mean():.3f}, correlation "
            f"{np.corrcoef(same, there)[0, 1]:.3f}"
        )


if __name__ == "__main__":
    main()
