"""The models of the paper's tables, each as one config, with the size that the paper prints.

Two of the paper's sizes hold for networks that differ from the released ones: the face rows
are those of pools 7/5/3, the released weights and the non-face rows have 7/7/7.
"""

from __future__ import annotations

import dataclasses

from e2style.config import EncoderConfig, GeneratorConfig, InversionConfig


@dataclasses.dataclass(frozen=True)
class PaperRow:
    """One line of a table that has a Param column."""

    table: str  # "I", "III", "IV", or "text"
    row: str  # what the paper calls it
    config: InversionConfig
    millions: int  # the paper's Param column
    networks: int = 1  # encoders of this config that the method holds


DEEP: dict[str, object] = {
    "widths": (64, 128, 256, 512),
    "units": (3, 4, 14, 3),
    "pools": (0, 0, 0, 7),
}


def e2style(size: int = 1024, stages: int = 1, **encoder: object) -> InversionConfig:
    """E2Style as the paper describes it; `encoder` changes fields of `EncoderConfig`."""
    config = _config(f"e2style-{stages}stage", size, **encoder)
    return dataclasses.replace(config, stages=stages)


def released(stages: int = 1) -> InversionConfig:
    """E2Style with the pools of the released weights."""
    return e2style(stages=stages, pools=(7, 7, 7))


def psp(size: int = 1024, *, deltas: bool = False) -> InversionConfig:
    """The encoder of pSp, or of e4e where the rows are offsets from the first one."""
    n = GeneratorConfig(size).n_codes
    return _config(
        "e4e" if deltas else "psp",
        size,
        **DEEP,
        split=(0, n - 7, 4, 3),
        head="conv",
        pyramid=512,
        deltas=deltas,
    )


def restyle(size: int = 1024, iterations: int = 5) -> InversionConfig:
    """ReStyle over pSp: one encoder without a pyramid, run several times."""
    n = GeneratorConfig(size).n_codes
    config = _config("restyle", size, **DEEP, split=(0, 0, 0, n), head="conv")
    return dataclasses.replace(config, iterations=iterations)


def idgi(size: int = 256) -> InversionConfig:
    """The encoder of in-domain inversion, for images as large as the generator's."""
    blocks = size.bit_length() - 2
    return _config(
        "idgi",
        size,
        trunk="idgi",
        image_size=size,
        widths=tuple(min(64 << k, 1024) for k in range(blocks)),
        units=(1,) * blocks,
        pools=(0,) * blocks,
        split=(0,) * (blocks - 1) + (GeneratorConfig(size).n_codes,),
    )


def single_head(groups: int) -> InversionConfig:
    """One pooled head behind `groups` stride-2 groups, 1/2^groups of the side (Table III)."""
    config = EncoderConfig()
    widths, units = (*config.widths, 512), (*config.units, 3)
    return e2style(
        widths=widths[:groups],
        units=units[:groups],
        pools=(0,) * (groups - 1) + (7,),
        split=(0,) * (groups - 1) + (18,),
    )


def _config(name: str, size: int, **encoder: object) -> InversionConfig:
    changed = dataclasses.replace(EncoderConfig(), **encoder)  # type: ignore[arg-type]
    return InversionConfig(name, GeneratorConfig(size), changed)


BASELINE = e2style()
ROWS = (
    PaperRow("I", "pSp", psp(), 262),
    PaperRow("I", "IDGI-Encoder", idgi(), 165),
    PaperRow("I", "ReStyle", restyle(), 201),
    PaperRow("I", "e4e", psp(deltas=True), 262),
    PaperRow("I", "E2Style-1Stage", BASELINE, 85),
    PaperRow("I", "E2Style-1Stage-C", e2style(head="shrinking"), 87),
    PaperRow("I", "E2Style-2Stage", e2style(stages=2), 170),
    PaperRow("I", "E2Style-3Stage", e2style(stages=3), 255),
    PaperRow("I", "E2Style-2Stage*", dataclasses.replace(e2style(stages=2), residual=False), 170),
    PaperRow("I", "IDGI", idgi(), 165),
    PaperRow("I", "DNI", psp(), 525, networks=2),
    PaperRow("III", "(a)", single_head(2), 59),
    PaperRow("III", "(b)", single_head(4), 262),
    PaperRow("III", "(c)", single_head(3), 133),
    PaperRow("III", "(d)", BASELINE, 85),
    PaperRow("III", "(e)", e2style(head="conv"), 233),
    PaperRow("III", "(f)", BASELINE, 85),
    PaperRow("III", "(g)", BASELINE, 85),
    PaperRow("III", "(h)", BASELINE, 85),
    PaperRow("text", "(d) with pyramid", e2style(pyramid=256, pyramid_smooth=True), 98),
    PaperRow("IV", "pSp, cats and horses", psp(256), 206),
    PaperRow("IV", "pSp, cars", psp(512), 234),
    PaperRow("IV", "IDGI, cats and horses", idgi(256), 165),
    PaperRow("IV", "IDGI, cars", idgi(512), 201),
    PaperRow("IV", "E2Style, cats and horses", e2style(256, pools=(7, 7, 7), split=(2, 4, 8)), 85),
    PaperRow("IV", "E2Style, cars", e2style(512, pools=(7, 7, 7), split=(2, 5, 9)), 95),
)
