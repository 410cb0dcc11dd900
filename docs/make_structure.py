"""Diagram of the packages and folders of the code, for docs/design.md."""

from pathlib import Path

PICTURE = Path(__file__).resolve().parent / "pictures" / "structure.svg"
INK, SOFT, ACCENT, TINT = "#263238", "#546e7a", "#00796b", "#e8f3f0"
WIDTH, HEIGHT = 760, 500

# Left, top, width, height, name, and what is in it.
PACKAGES = {
    "cli": (20, 20, 720, 66, "cli", "parses, calls, prints; the web page; no algorithms"),
    "deephide": (
        20,
        126,
        500,
        258,
        "deephide",
        "composes; alone sees both stc and e2style",
    ),
    "e2style": (550, 126, 190, 354, "e2style", "faces ↔ codes"),
    "stc": (20, 424, 500, 56, "stc", "cover bits, costs, message → stego; arrays alone"),
}
STATIONS = (
    ("codecs", ("a face, a small", "picture, a file", "→ bytes")),
    ("container", ("keys, encryption,", "keyed order")),
    ("covers", ("elements, costs,", "one kind a file")),
)
ASIDE = (
    ("formats", "image files ↔ samples, coefficients"),
    ("channels", "robust mode: what it survives"),
    ("lab", "schemes and detectors"),
)
NETWORKS = (
    "models", "checkpoints", "inference", "data", "losses, metrics", "training", "evaluation",
    "applications",
)  # fmt: skip


def text(x: float, y: float, words: str, kind: str = "text", anchor: str = "start") -> str:
    """A line of words."""
    return f'<text x="{x}" y="{y}" class="{kind}" text-anchor="{anchor}">{words}</text>\n'


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="8" class="{kind}"/>\n'


def arrow(x: float, y: float, to_x: float, to_y: float) -> str:
    """An arrow from one who calls to one who is called."""
    return f'<path d="M{x} {y}L{to_x} {to_y}" class="arrow"/>\n'


def drawing() -> str:
    """The whole picture."""
    parts = []
    for x, y, width, height, name, words in PACKAGES.values():
        parts.append(box(x, y, width, height, "package"))
        parts.append(text(x + 14, y + 24, name, "name"))
        below = name == "e2style"
        place = (x + 14, y + 44) if below else (x + 14 + 11 * len(name) + 10, y + 24)
        parts.append(text(*place, words, "soft"))
    for i, (name, lines) in enumerate(STATIONS):
        x, y = 40 + i * 160, 172
        parts.append(box(x, y, 140, 96, "station"))
        parts.append(text(x + 70, y + 22, name, "step", "middle"))
        parts += [
            text(x + 70, y + 44 + 17 * j, line, "soft", "middle") for j, line in enumerate(lines)
        ]
        if i < len(STATIONS) - 1:
            parts.append(arrow(x + 142, y + 48, x + 156, y + 48))
    for i, (name, words) in enumerate(ASIDE):
        y = 300 + 26 * i
        parts += [text(44, y, name, "step"), text(130, y, words, "soft")]
    for i, name in enumerate(NETWORKS):
        parts.append(text(564, 202 + 34 * i, name, "step"))
    parts += [
        text(34, 66, "deephide, e2style: commands with one way to fail, one way to print", "soft"),
        arrow(270, 88, 270, 122),
        arrow(645, 88, 645, 122),
        arrow(522, 220, 546, 220),
        arrow(270, 386, 270, 420),
    ]
    style = (
        f".package{{fill:#fff;stroke:{SOFT}}}.station{{fill:{TINT};stroke:{ACCENT}}}"
        f".name{{font-size:17px;font-weight:700;fill:{INK}}}.soft{{font-size:13px;fill:{SOFT}}}"
        f".step{{font-size:14px;font-weight:600;fill:{ACCENT}}}"
        f".arrow{{stroke:{ACCENT};stroke-width:1.8;fill:none;marker-end:url(#tip)}}"
        "text{font-family:system-ui,sans-serif}"
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="cli calls deephide and e2style; deephide calls stc and, when it needs it, '
        f'e2style">\n<style>{style}</style>\n'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{ACCENT}"/></marker>'
        "</defs>\n"
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#fff"/>\n{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    PICTURE.write_text(drawing(), encoding="utf-8")
