"""Report of an experiment as one page of HTML, which holds its plots and says what they mean."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from html import escape
from statistics import fmean

from deephide.lab.conditions import COVER
from deephide.lab.evaluate import Row, as_table

__all__ = ["MEANINGS", "as_page"]

# What each detector is, in words.
MEANINGS = {
    "ws": "WS estimates how many lowest bits were replaced, from pixels and their neighbours",
    "spa": "SPA estimates how many lowest bits were replaced, from pairs of neighbouring samples",
    "rs": "RS estimates the same as WS and SPA, from groups of samples before and after flipping",
    "chi2": "The chi-square attack looks for pairs of levels that have become equally frequent",
    "spam": "SPAM learns from examples how neighbouring differences follow one another",
    "rich": "The rich model learns from examples, with features of many filters",
    "srm": "The whole spatial rich model learns from examples, with all its 34,671 features",
    "colour-srm": "The rich model of colour looks at what the channels have in common, too",
    "srnet": "SRNet is a deep network that was trained on examples",
    "yedroudj": "Yedroudj-Net is a smaller network that was trained on examples",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #555d66; --line: #d8d3c7; --paper: #fff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #eceff1; --soft: #a9b2ba; --line: #3a444c; --paper: #14181c; }
}
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 66rem; padding: 1.5rem 1rem;
       color: var(--ink); background: var(--paper); overflow-wrap: break-word; }
h1 { font-size: 1.5rem; line-height: 1.2; } h2 { font-size: 1.2rem; margin-top: 2rem; }
p, li { max-width: 46rem; } figure { margin: 1rem 0; }
figure img { width: 100%; border-radius: .5rem; background: #fff; }
figcaption { color: var(--soft); } .wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; white-space: nowrap; }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; border-bottom: 1px solid var(--line); }
"""
_CAPTIONS = {
    "errors": "How often each detector is wrong (upwards), against how much is hidden (to the "
    "right). At the dashed line, 0.5, it might as well guess; the dotted line is what it reaches "
    "where nothing is hidden, so that a curve on it means undetected. At 0 it is never wrong.",
    "roc": "Stegos found (upwards) against covers that are called stegos by mistake (to the "
    "right), for every threshold. On the dotted diagonal the detector guesses; a curve in the "
    "upper left corner finds everything and accuses nobody.",
}


def as_page(rows: Sequence[Row], plots: Mapping[str, bytes]) -> str:
    """Return the page.

    Parameters
    ----------
    rows : what `evaluate` returned
    plots : PNG files by "errors" and "roc", or none of them
    """
    detectors = [MEANINGS.get(name, name) for name in rows[0].verdicts]
    figures = "".join(
        f'<figure><img src="data:image/png;base64,{base64.b64encode(data).decode()}" '
        f'alt="{_CAPTIONS[name]}"><figcaption>{_CAPTIONS[name]}</figcaption></figure>\n'
        for name, data in plots.items()
    )
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>How well stegos are detected</title>\n<style>{_STYLE}</style>\n"
        f"<h1>How well stegos are detected</h1>\n<p>{rows[0].covers} photos, each with and without "
        "something hidden in it. A detector is shown one of them and says which it is. An error of "
        "0.5 is what guessing gives; slightly less comes from choosing the best threshold "
        "afterwards, and the first row, in which nothing is hidden, shows how much.</p>\n"
        f"<h2>In words</h2>\n<ul>\n{''.join(map(_in_words, rows))}</ul>\n"
        f"{figures}<h2>Detectors</h2>\n<ul>\n"
        + "".join(f"<li>{escape(text)}.</li>\n" for text in detectors)
        + f'</ul>\n<h2>All figures</h2>\n<div class="wide">{_html_table(as_table(rows))}</div>\n'
        "</html>\n"
    )


def _in_words(row: Row) -> str:
    """Return a sentence about one condition, as an item of a list."""
    errors = {name: fmean(verdict.errors) for name, verdict in row.verdicts.items()}
    best = min(errors, key=lambda name: errors[name])
    if row.condition.scheme == COVER:
        return f"<li>Nothing hidden: {errors[best]:.2f} is as good as chance gets here.</li>\n"
    verdict = row.verdicts[best]
    chance = verdict.chance if verdict.trained_errors else ()
    beside = f", and {fmean(chance):.2f} where it has nothing to learn" if chance else ""
    return (
        f"<li>{escape(row.condition.scheme)}, {row.alpha:.3g} bits per sample: the best detector, "
        f"{best}, is wrong in {errors[best]:.2f} of cases{beside}.</li>\n"
    )


def _html_table(markdown: str) -> str:
    head, _, *body = (
        [cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()
    )
    heads = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    lines = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in body
    )
    return f"<table><thead><tr>{heads}</tr></thead>\n<tbody>\n{lines}</tbody></table>"
