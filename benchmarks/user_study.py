r"""Preference rates of Table II: a page for people, and the count of what they chose.

    python benchmarks/user_study.py make study --originals in --method e2style=a --method psp=b
    python benchmarks/user_study.py count study results-*.csv

`make` writes one self-contained page with two edited images and the original per question, sides
and order drawn at random, and a key apart from it: who answers cannot know whose image is whose.
The page saves a CSV. `count` prints how often each method was preferred, with intervals that draw
people again, not answers, since answers of one person are alike.
"""

import argparse
import base64
import csv
import io
import itertools
import json
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 256
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Which image is better?</title>
<style>body{font:16px sans-serif;max-width:860px;margin:2em auto;text-align:center}
img{width:256px;height:256px}
button{border:3px solid #ccc;background:none;padding:4px;cursor:pointer}
button:focus{border-color:#06c}</style>
<h1>Which image is better?</h1>
<p>In the middle stands the original. Choose the edited image that looks more real and more like
the same person. There is no "neither": where you cannot tell, guess.</p>
<p id="at"></p><div id="ask"><button id="left"><img alt="left"></button>
<img id="original" alt="original"><button id="right"><img alt="right"></button></div>
<p id="done" hidden>Thank you. <a id="save" download="results.csv">Save the answers</a></p>
<script>
const asked = QUESTIONS, person = Math.random().toString(36).slice(2);
const rows = ["person,question,side"];
let at = 0;
const el = id => document.getElementById(id);
function show() {
  if (at === asked.length) {
    el("ask").hidden = true; el("done").hidden = false; el("at").textContent = "";
    el("save").href = URL.createObjectURL(new Blob([rows.join("\\n") + "\\n"], {type: "text/csv"}));
    return;
  }
  el("at").textContent = (at + 1) + " of " + asked.length;
  el("left").firstChild.src = asked[at].left; el("right").firstChild.src = asked[at].right;
  el("original").src = asked[at].original;
}
for (const side of ["left", "right"]) el(side).onclick = () => {
  rows.push([person, asked[at].id, side].join(",")); at += 1; show();
};
show();
</script></html>
"""


def make(folder: Path, originals: Path, methods: dict[str, Path], count: int, seed: int) -> None:
    """Write page.html and key.json for `count` questions of each pair of methods."""
    names = sorted(
        set.intersection(*({f.name for f in p.iterdir()} for p in (originals, *methods.values())))
    )
    if len(methods) < 2 or not names:
        raise SystemExit("two methods are needed, with images of the same names as the originals")
    rng = np.random.default_rng(seed)
    key, questions = {}, []
    for pair in itertools.combinations(sorted(methods), 2):
        for name in rng.permutation(names)[:count]:
            left, right = rng.permutation(pair)
            number = f"q{len(key):04d}"
            key[number] = {"left": str(left), "right": str(right), "image": str(name)}
            sources = {"left": methods[left], "right": methods[right], "original": originals}
            shown = {side: _embedded(path / name) for side, path in sources.items()}
            questions.append({"id": number} | shown)
    order = rng.permutation(len(questions))
    folder.mkdir(parents=True, exist_ok=True)
    asked = json.dumps([questions[k] for k in order])
    (folder / "page.html").write_text(PAGE.replace("QUESTIONS", asked), "utf-8")
    (folder / "key.json").write_text(json.dumps(key, indent=1), "utf-8")


def _embedded(path: Path) -> str:
    """Image at one side, as a PNG inside an address: no file name tells whose it is."""
    file = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.LANCZOS).save(file, "PNG")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def counted(
    key: dict[str, dict[str, str]], answers: list[dict[str, str]]
) -> list[dict[str, object]]:
    """Preference rate of each method, and its 95 % interval over people (bootstrap, seed 0)."""
    people = sorted({row["person"] for row in answers})
    place = {person: k for k, person in enumerate(people)}
    methods = sorted({own[side] for own in key.values() for side in ("left", "right")})
    won, shown = (np.zeros((len(people), len(methods))) for _ in "ab")
    for row in answers:
        sides = key[row["question"]]
        for side in ("left", "right"):
            at = (place[row["person"]], methods.index(sides[side]))
            shown[at] += 1
            won[at] += row["side"] == side
    drawn = np.random.default_rng(0).integers(0, len(people), (2000, len(people)))
    with np.errstate(invalid="ignore"):
        rates = won[drawn].sum(1) / shown[drawn].sum(1)
        means = won.sum(0) / shown.sum(0)
    low, high = np.nanquantile(rates, [0.025, 0.975], axis=0)
    return [
        {
            "method": method,
            "preferred": float(means[k]),
            "low": float(low[k]),
            "high": float(high[k]),
            "answers": int(shown[:, k].sum()),
            "people": len(people),
        }
        for k, method in enumerate(methods)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("make")
    one.add_argument("folder", type=Path)
    one.add_argument("--originals", type=Path, required=True)
    one.add_argument("--method", action="append", default=[], metavar="NAME=FOLDER")
    one.add_argument("--questions", type=int, default=20, help="of each pair of methods")
    one.add_argument("--seed", type=int, default=0)
    other = commands.add_parser("count")
    other.add_argument("folder", type=Path)
    other.add_argument("results", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "make":
        methods = {name: Path(path) for name, path in (m.split("=", 1) for m in options.method)}
        make(options.folder, options.originals, methods, options.questions, options.seed)
        print(options.folder / "page.html")
        return
    key = json.loads((options.folder / "key.json").read_text("utf-8"))
    answers = []
    for path in options.results:
        with path.open(newline="", encoding="utf-8") as file:
            answers += list(csv.DictReader(file))
    for row in counted(key, answers):
        print(
            f"{row['method']:16} preferred {row['preferred']:.3f} ({row['low']:.3f}–"
            f"{row['high']:.3f}), {row['answers']} answers of {row['people']} people"
        )


if __name__ == "__main__":
    main()
