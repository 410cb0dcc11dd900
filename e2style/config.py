"""One description for every member of the E2Style family, and for how it is trained."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from e2style.errors import ConfigError

T = TypeVar("T")

TRUNKS = ("irse", "idgi")
HEADS = ("pooled", "conv", "shrinking")


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
    """StyleGAN2 synthesis network, config-f layout with skip connections."""

    size: int = 1024  # side R of the painted picture, a power of two >= 8
    style_dim: int = 512  # length of one code
    mapping_layers: int = 8  # 0 where the model was trained without a prior on z
    channel_base: int = 32768  # channels at side r: min(channel_base // r, channel_max)
    channel_max: int = 512

    def __post_init__(self) -> None:
        if self.size < 8 or self.size & (self.size - 1):
            raise ConfigError(f"generator.size: got {self.size}, allowed are powers of two >= 8")

    @property
    def n_codes(self) -> int:
        """Rows n of a W+ code: 2 log2 R - 2, that is 18 at 1024."""
        return 2 * (self.size.bit_length() - 1) - 2

    def channels(self, side: int) -> int:
        """Feature channels at resolution `side`."""
        return min(self.channel_base // side, self.channel_max)


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Truncated IR-SE trunk with a head per tap (paper, Sec. III-A), or one of its baselines.

    Tuples have one entry per stride-2 group, shallow to deep: scales 1/2, 1/4, 1/8, ...
    """

    image_size: int = 256  # side that the trunk works at; larger pictures are area-averaged
    in_channels: int = 3  # of the first stage; a later one sees the reconstruction's 3 as well
    trunk: str = "irse"  # "irse", or "idgi": the residual blocks of in-domain inversion
    widths: tuple[int, ...] = (64, 128, 256)  # channels behind each stride-2 group
    units: tuple[int, ...] = (3, 4, 14)  # residual units in each group
    pools: tuple[int, ...] = (3, 5, 7)  # side of the pooled map (7, 7, 7 in the released weights)
    split: tuple[int, ...] = (4, 5, 9)  # codes predicted behind each group; 0 means no tap there
    head: str = "pooled"  # "pooled"; "conv": a chain per code, as in pSp; "shrinking": 1Stage-C
    head_rank: int = 0  # > 0 puts a linear bottleneck of this width into the deepest pooled head
    pyramid: int = 0  # > 0 puts a feature pyramid of this width between taps and heads
    pyramid_smooth: bool = False  # a 3x3 convolution behind each sum of the pyramid
    deltas: bool = False  # rows are offsets from the first one, as in e4e

    def __post_init__(self) -> None:
        lengths = {len(self.widths), len(self.units), len(self.pools), len(self.split)}
        if len(lengths) != 1:
            raise ConfigError("encoder: widths, units, pools and split must be equally long")
        if min(self.split) < 0 or self.split[-1] < 1:
            raise ConfigError(f"encoder.split: got {self.split}, the last group must have a tap")
        for name, allowed in (("trunk", TRUNKS), ("head", HEADS)):
            if getattr(self, name) not in allowed:
                got = getattr(self, name)
                raise ConfigError(f"encoder.{name}: got {got!r}, allowed are {', '.join(allowed)}")
        if self.image_size % (1 << len(self.widths)):
            raise ConfigError(
                f"encoder.image_size: got {self.image_size}, must be a multiple of "
                f"{1 << len(self.widths)} for {len(self.widths)} groups"
            )


@dataclasses.dataclass(frozen=True)
class InversionConfig:
    """A generator and one to three encoder stages that invert pictures into its W+ space."""

    name: str = "e2style"
    generator: GeneratorConfig = GeneratorConfig()
    encoder: EncoderConfig = EncoderConfig()
    stages: int = 1
    residual: bool = True  # later stages predict offsets; False: whole codes ("2Stage*")
    iterations: int = 0  # > 0: ReStyle, one encoder that refines the mean face so many times

    def __post_init__(self) -> None:
        if not 1 <= self.stages <= 3:
            raise ConfigError(f"stages: got {self.stages}, allowed 1 to 3")
        if self.iterations and self.stages != 1:
            raise ConfigError("iterations: all of them use one encoder, so stages must be 1")
        if sum(self.encoder.split) != self.generator.n_codes:
            raise ConfigError(
                f"encoder.split: sums to {sum(self.encoder.split)}, but a generator of side "
                f"{self.generator.size} takes {self.generator.n_codes} codes"
            )

    @property
    def steps(self) -> int:
        """How often an encoder runs: `iterations` of one, or every one of `stages`."""
        return self.iterations or self.stages


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the training objective; 0 switches a term off (eq. 6 of the paper)."""

    l2: float = 1.0  # mean squared error in [-1, 1]
    identity: float = 0.5  # multi-layer identity, 1 - cosine summed over levels
    parsing: float = 1.0  # multi-layer parsing, 1 - cosine summed over levels
    rate: float = 0.0  # per transmitted bit: the price of the code itself


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that one phase of training needs."""

    model: InversionConfig = InversionConfig()
    loss: LossConfig = LossConfig()
    data: str = ""  # folder or zip of aligned faces
    validation: str = ""  # the same, never trained on; empty means none
    feature_networks: str = ""  # folder with mobilefacenet.npz and face_parsing_unet.npz
    init: str = ""  # run folder whose averaged weights to start from; empty means from nothing
    side: int = 0  # train the generator up to this side only; 0 means its full size
    train_generator: bool = True  # False is the paper's way: the encoder on a frozen generator
    images: int = 100_000  # training length; progress is counted in images
    batch: int = 16
    lr: float = 1e-3  # Adam; decayed to a tenth along a cosine
    generator_lr: float = 1.0  # factor on lr for the generator, whose weights have unit variance
    warmup_images: int = 2_000
    ema_images: int = 5_000  # half-life of the averaged weights
    precision: str = "bf16"  # autocast: "bf16" or "fp32"
    clip: float = 1.0  # largest gradient norm
    seed: int = 0
    snapshot_images: int = 5_000  # state is saved this often
    report_images: int = 500  # a line of stats.jsonl this often
    balance: bool = True  # draw the groups of the data equally often (square-root weights)
    threads: int = 0  # 0 leaves torch's own choice
    device: str = "cpu"  # torch device, as in "cuda"

    def __post_init__(self) -> None:
        if self.precision not in {"bf16", "fp32"}:
            raise ConfigError(f"precision: got {self.precision!r}, allowed are 'bf16' and 'fp32'")
        for name in ("images", "batch", "lr", "clip", "snapshot_images", "report_images"):
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name}: got {getattr(self, name)}, must be positive")


def from_dict(kind: type[T], values: Mapping[str, Any]) -> T:
    """Build a (nested) config dataclass from plain values.

    Raises
    ------
    ConfigError : an unknown key, named with the keys that are allowed
    """
    fields: dict[str, Any] = {f.name: f for f in dataclasses.fields(cast(Any, kind))}
    unknown = sorted(set(values) - set(fields))
    if unknown:
        allowed = ", ".join(sorted(fields))
        raise ConfigError(f"{kind.__name__}: unknown key {unknown[0]!r}, allowed are {allowed}")
    built: dict[str, Any] = {}
    for key, value in values.items():
        default = fields[key].default
        if dataclasses.is_dataclass(default):
            built[key] = from_dict(cast(type[Any], type(default)), value)
        elif isinstance(default, tuple):
            built[key] = tuple(value)
        elif isinstance(default, bool) and not isinstance(value, bool):
            raise ConfigError(f"{kind.__name__}.{key}: got {value!r}, allowed are true and false")
        else:
            try:
                built[key] = type(default)(value)
            except (TypeError, ValueError) as error:
                raise ConfigError(f"{kind.__name__}.{key}: got {value!r}: {error}") from error
    return kind(**built)


def to_dict(config: Any) -> dict[str, Any]:
    """Plain values of a config, ready for JSON."""
    return dataclasses.asdict(config)


def to_json(config: Any) -> str:
    """JSON text of a config, keys in the order of the dataclass."""
    return json.dumps(to_dict(config))


def load_toml(path: str | Path) -> TrainConfig:
    """Read a training preset.

    Raises
    ------
    ConfigError : unreadable TOML, or a key that no field has
    """
    try:
        values = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"preset {path}: {error}") from error
    return from_dict(TrainConfig, values)
