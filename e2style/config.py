"""Configuration of every member of the E2Style family, and of its training."""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from e2style.errors import ConfigError

TRUNKS = ("irse", "idgi")
HEADS = ("pooled", "conv", "shrinking")
PICTURE_TERMS = ("l2", "lpips", "identity", "parsing", "segmentation")
STYLED_TERMS = ("ssim", "features", "mesh")  # of joint training with base styles alone
FITS = ("stretch", "letterbox", "crop")
MAX_SEED = (1 << 23) - 1  # a seed and a place in the order share 63 bits


def at_least(least: int, where: str, config: Any, *names: str) -> None:
    """Reject a setting, or an entry of one, below `least`."""
    for name in names:
        value = getattr(config, name)
        for entry in value if isinstance(value, tuple) else (value,):
            if not entry >= least:
                raise ConfigError(f"{where}{name}: got {value}, must be at least {least}")


@dataclasses.dataclass(frozen=True)
class GeneratorConfig:
    """StyleGAN2 synthesis network, config-f layout with skip connections."""

    size: int = 1024  # side R of the generated image, a power of two >= 8
    style_dim: int = 512  # length of one code
    mapping_layers: int = 8  # 0 where the model was trained without a prior on z
    channel_base: int = 32768  # channels at side r: min(channel_base // r, channel_max)
    channel_max: int = 512
    base_side: int = 0  # > 0: layers up to this side give way to a linear base (models/base.py)
    base_rows: int = 3  # rows of the code that a base takes
    base_channels: int = 64  # of a base's feature map, 192 for every detail
    base_styles: bool = False  # styles come from the base rows (models/styled_base.py)
    base_smooth: bool = False  # features are smoothed behind each doubling, against a weave
    base_metric: int = 0  # rank of what a base's projection weighs beyond the place of an error

    def __post_init__(self) -> None:
        if self.size < 8 or self.size & (self.size - 1):
            raise ConfigError(f"generator.size: got {self.size}, allowed are powers of two >= 8")
        at_least(1, "generator.", self, "style_dim", "channel_max")
        at_least(0, "generator.", self, "mapping_layers")
        at_least(self.size, "generator.", self, "channel_base")
        side = self.base_side
        if side and (side < 4 or side & (side - 1) or side >= self.size):
            raise ConfigError(
                f"generator.base_side: got {side}, allowed are 0 and powers of two from 4 to "
                f"{self.size // 2}"
            )
        at_least(1, "generator.", self, "base_rows", "base_channels")
        at_least(0, "generator.", self, "base_metric")
        if self.base_styles and (not side or self.size < 8 * side or self.base_rows > 3):
            raise ConfigError(
                "generator.base_styles: needs a base of at most 3 rows, whose image, 8 times as "
                "large as base_side, is no larger than size"
            )
        if side and self.base_rows > self.row_behind(side):
            raise ConfigError(
                f"generator.base_rows: got {self.base_rows}, but only "
                f"{self.row_behind(side)} rows drive the layers up to {side}"
            )

    @property
    def n_codes(self) -> int:
        """Rows n of a W+ code: 2 log2 R - 2, that is 18 at 1024."""
        return 2 * (self.size.bit_length() - 1) - 2

    @property
    def sent_rows(self) -> int:
        """Rows that a quantised code says something in: those of a base, else all."""
        return self.base_rows if self.base_side else self.n_codes

    @staticmethod
    def row_behind(side: int) -> int:
        """Row of a code that drives the first layer behind the one that generates `side`."""
        return 2 * (side.bit_length() - 1) - 3

    def channels(self, side: int) -> int:
        """Feature channels at resolution `side`."""
        return min(self.channel_base // side, self.channel_max)


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """Truncated IR-SE trunk with a head per tap (paper, Sec. III-A), or one of its baselines.

    Tuples have one entry per stride-2 group, shallow to deep: scales 1/2, 1/4, 1/8, ...
    """

    image_size: int = 256  # side that the trunk works at; larger images are area-averaged
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
        at_least(1, "encoder.", self, "image_size", "in_channels", "widths", "units")
        at_least(0, "encoder.", self, "pools", "head_rank", "pyramid")
        if not self.split:
            raise ConfigError("encoder.split: at least one group is needed")
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
    """A generator and up to three encoder stages that invert images into its W+ space.

    Without any, the base of the generator finds the code alone; it must have base styles then.
    """

    name: str = "e2style"
    generator: GeneratorConfig = GeneratorConfig()
    encoder: EncoderConfig = EncoderConfig()
    stages: int = 1
    residual: bool = True  # later stages predict offsets; False: whole codes ("2Stage*")
    iterations: int = 0  # > 0: ReStyle, one encoder that refines the mean face so many times
    fit: str = "stretch"  # of images that are not square, as `TrainConfig.fit` was in training

    def __post_init__(self) -> None:
        if self.fit not in FITS:
            raise ConfigError(f"fit: got {self.fit!r}, allowed are {', '.join(FITS)}")
        fewest = 0 if self.generator.base_styles else 1
        if not fewest <= self.stages <= 3:
            raise ConfigError(f"stages: got {self.stages}, allowed {fewest} to 3")
        at_least(0, "", self, "iterations")
        if self.iterations and self.stages != 1:
            raise ConfigError("iterations: all of them use one encoder, so stages must be 1")
        told = sum(self.encoder.split)
        of_base = self.generator.base_rows if self.generator.base_styles else None
        if told not in (self.generator.n_codes, of_base):
            raise ConfigError(
                f"encoder.split: sums to {told}, but a generator of side "
                f"{self.generator.size} takes {self.generator.n_codes} codes"
            )

    @property
    def image_size(self) -> int:
        """Side at which images are handed in, the one that training scales them to.

        That of the encoder; before a generator with a base, which is trained together with it at
        the side of its images, that one if it is larger.
        """
        side = self.encoder.image_size
        return max(side, self.generator.size) if self.generator.base_side else side

    @property
    def steps(self) -> int:
        """How often an encoder runs: `iterations` of one, or every one of `stages`."""
        return self.iterations or self.stages


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Weights of the training objective; 0 switches a term off. Defaults: eq. 6 of the paper."""

    l2: float = 1.0  # mean squared error in [-1, 1]
    face_weight: float = 1.0  # how much more errors on the face count in l2 than those around it
    lpips: float = 0.8  # learned perceptual distance on AlexNet
    identity: float = 0.5  # multi-layer identity, 1 - cosine summed over levels
    parsing: float = 1.0  # multi-layer parsing, 1 - cosine summed over levels
    segmentation: float = 0.0  # the same on a segmentation network, for other domains than faces
    w_norm: float = 0.0  # length of the offset from w_avg, to stay where the generator is good
    rate: float = 0.0  # per transmitted bit: the cost of the code itself (joint training only)
    # e4e: each row looks to a critic like a code of the generator's own. With base styles: the
    # image looks to discriminators on EfficientNet-lite0's features like a face.
    adversarial: float = 0.0
    # An encoder's distance, in the base's metric, from the code that the base finds in the target.
    code: float = 0.0
    ssim: float = 0.0  # 1 - SSIM; with base styles only, as the next two
    features: float = 0.0  # distance of EfficientNet-lite0's features at each place
    mesh: float = 0.0  # squared error in what repeats every 16 pixels
    delta: float = 0.0  # e4e: length of the rows' offsets from the first
    identity_single: bool = False  # the embedding alone, as pSp's loss, not all levels
    # Feature networks: "irse50", "mobilefacenet", "unet", "small_unet", or "module:factory" for a
    # function that takes the folder of weights and returns a network from images to levels.
    identity_network: str = "irse50"
    parsing_network: str = "unet"
    segmentation_network: str = ""

    def __post_init__(self) -> None:
        others = ("w_norm", "rate", "adversarial", "delta", "code")
        at_least(0, "loss.", self, *PICTURE_TERMS, *STYLED_TERMS, *others)
        at_least(1, "loss.", self, "face_weight")

    @property
    def looks_at_images(self) -> bool:
        """Whether a term looks at what is generated."""
        return any(getattr(self, name) for name in PICTURE_TERMS)

    def require_target(self) -> None:
        """Raise ConfigError where no term knows the target."""
        if not (self.looks_at_images or self.code):
            names = ", ".join(PICTURE_TERMS)
            raise ConfigError(f"loss: one of {names} must have a weight above 0")


TASKS = (
    "inversion", "colorization", "denoising", "inpainting", "super_resolution", "restoration",
    "sketch", "segmentation",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """Everything that one phase of training needs."""

    model: InversionConfig = InversionConfig()
    loss: LossConfig = LossConfig()

    # What is trained, and from what.
    stage: int = 0  # 0: encoder and generator together; t: encoder t, everything else frozen
    task: str = "inversion"  # what the encoder is shown; the other tasks need stage >= 1
    generator: str = ""  # file of the frozen generator of stage 1: rosinality's or ours
    checkpoint: str = ""  # stages before this one, and the generator: a model file or a run folder
    backbone: str = ""  # model_ir_se50.pth, or a model whose encoder is to start from
    latents: str = ""  # .npy of codes (N, n, 512) that e4e's critic sees; empty: mapped z
    init: str = ""  # run folder whose averaged weights to start from; empty means from nothing
    feature_networks: str = ""  # folder with the weights of the losses' networks
    side: int = 0  # images are read, generated and compared at this side; 0 means the full size,
    # or in stage training the side of the encoder
    train_generator: bool = True  # in joint training; with base styles it is the base alone
    train_fine: bool = False  # with base styles: the layers of the full side and nothing else
    train_encoder: bool = True  # with base styles: false leaves the code to the base's projection
    base_step: float = 130.0  # unit of a fitted base's values, see `e2style.training.base`
    base_file: str = ""  # fitted base to start from (`recipes`), in place of fitting one
    step_low: float = 1.0  # joint training rounds to multiples of a step that is drawn for each
    step_high: float = 1.0  # image between these two, evenly in its logarithm
    noise: str = "random"  # noise maps of the generator in stage training: "random" or "stored"

    # Data.
    data: str = ""  # folder or zip of aligned faces: what is to be generated
    source: str = ""  # inputs of the encoder, paired with `data` by name; empty means the same
    validation: str = ""  # the same, never trained on; empty means none
    validation_source: str = ""
    hold_out: int = 0  # > 0: joint training leaves out every n-th image, for tuning
    held_out: str = ""  # file with a name a line: pictures that joint training leaves out as well
    shares: str = ""  # of the sets in a batch, as in "ffhq=0.6 studio=0.4"; empty: see `balance`
    augment: bool = False  # shift, scale and turn faces by a pixel or two, and change their colours
    flip: bool = True  # mirror half of the training pairs
    fit: str = "stretch"  # of images that are not square; "letterbox" puts them between black bars,
    # as StyleGAN2's of cars has them (512 x 384), "crop" takes the middle; the model remembers it
    balance: bool = True  # draw the groups of the data equally often (square-root weights)
    factors: tuple[int, ...] = (1, 2, 4, 8, 16)  # of super-resolution, drawn at random
    labels: int = 19  # classes of a label map
    workers: int = 4  # threads that read and decode ahead; 0 decodes when a batch is asked for

    # Course of the training; a batch is what all processes and accumulation steps see together.
    images: int = 100_000  # training length; progress is counted in images
    epochs: int = 0  # > 0: so many times the images of `data`, in place of `images`
    batch: int = 16
    accumulate: int = 1  # parts that a batch is seen in, one after the other, to save memory
    optimizer: str = "adam"  # "adam" or "ranger"
    schedule: str = "cosine"  # of the rate: "cosine" down to a tenth, or "constant"
    lr: float = 1e-3
    generator_lr: float = 1.0  # factor on lr for the generator, whose weights have unit variance
    warmup_images: int = 2_000
    ema_images: int = 5_000  # half-life of the averaged weights; 0 keeps no average
    clip: float = 1.0  # largest gradient norm; 0 clips nothing
    critic_lr: float = 2e-5  # of e4e's critic
    progressive_start: int = 0  # e4e: images after which the second row may leave the first, and
    progressive_images: int = 0  # after which each further one may; 0: all from the start
    seed: int = 0

    # How and how often.
    precision: str = "bf16"  # autocast: "bf16", "fp16" or "fp32"
    channels_last: bool = True
    compile: bool = False  # through torch.compile
    threads: int = 0  # 0 leaves torch's own choice
    device: str = "cpu"  # torch device, as in "cuda"
    snapshot_images: int = 5_000  # state is saved this often
    validation_images: int = 20_000  # the losses of the validation set are measured this often
    report_images: int = 500  # a line of stats.jsonl this often
    keep: int = 2  # snapshots that stay

    def __post_init__(self) -> None:
        self.loss.require_target()
        for name, allowed in (
            ("precision", ("bf16", "fp16", "fp32")),
            ("optimizer", ("adam", "ranger")),
            ("schedule", ("cosine", "constant")),
            ("noise", ("random", "stored")),
            ("task", TASKS),
            ("fit", FITS),
        ):
            if getattr(self, name) not in allowed:
                choice = ", ".join(map(repr, allowed))
                raise ConfigError(f"{name}: got {getattr(self, name)!r}, allowed are {choice}")
        at_least(
            1, "", self, "images", "batch", "accumulate", "snapshot_images", "validation_images",
            "report_images", "keep", "labels", "factors",
        )  # fmt: skip
        at_least(
            0, "", self, "generator_lr", "clip", "ema_images", "warmup_images", "workers", "seed",
            "threads", "side", "hold_out", "epochs", "progressive_start", "progressive_images",
        )  # fmt: skip
        if self.compile and self.precision == "bf16":
            raise ConfigError(
                "compile: what torch.compile makes of the generator in bf16 was seen to give NaN; "
                "set precision to 'fp32' or 'fp16', or leave compile out"
            )
        if not 0 < self.step_low <= self.step_high:
            raise ConfigError(
                f"step_low: got {self.step_low}, must be positive and at most step_high"
            )
        for name in ("lr", "critic_lr", "base_step"):
            if not 0 < getattr(self, name) < math.inf:
                got = getattr(self, name)
                raise ConfigError(f"{name}: got {got}, must be positive and finite")
        if self.seed > MAX_SEED:
            raise ConfigError(f"seed: got {self.seed}, allowed 0 to {MAX_SEED}")
        size = self.model.generator.size
        if self.side and (self.side < 4 or self.side & (self.side - 1) or self.side > size):
            raise ConfigError(f"side: got {self.side}, allowed are 0 and powers of two 4 to {size}")
        if not re.fullmatch(r"[a-z]+(:\d+)?", self.device):
            raise ConfigError(f"device: got {self.device!r}, as in 'cpu', 'cuda' or 'cuda:1'")
        if self.stage not in range(self.model.stages + 1):
            raise ConfigError(
                f"stage: got {self.stage}, allowed 0 to {self.model.stages} (model.stages)"
            )
        if self.batch % self.accumulate:
            raise ConfigError(f"batch: {self.batch} is no multiple of accumulate={self.accumulate}")
        if self.model.fit not in ("stretch", self.fit):
            raise ConfigError(f"model.fit: got {self.model.fit!r}; set fit, which says it for both")
        self._check_task()
        self._check_inputs()

    def _check_task(self) -> None:
        if self.stage == 0 and (self.task != "inversion" or self.source):
            raise ConfigError("task: joint training (stage 0) inverts images; set stage to 1")
        if not self.factors:
            raise ConfigError("factors: at least one is needed")
        channels = {"sketch": 1, "segmentation": self.labels}.get(self.task, 3)
        if self.stage and self.model.encoder.in_channels != channels:
            raise ConfigError(
                f"model.encoder.in_channels: got {self.model.encoder.in_channels}, "
                f"but the task {self.task} has {channels}"
            )

    def _check_inputs(self) -> None:
        """Reject inputs that nobody would look at."""
        idle: tuple[str, ...] = ("generator",)
        if self.stage == 0:
            idle = ("generator", "checkpoint", "backbone", "validation_source")
        elif self.stage == 1:
            idle = ("checkpoint",)
        if not self.validation:
            idle += ("validation_source",)
        for name in idle:
            if getattr(self, name):
                why = f"stage {self.stage}" if self.stage else "joint training (stage 0)"
                if name == "validation_source" and self.stage:
                    why = "training without validation"
                raise ConfigError(f"{name}: has no effect in {why}; leave it out")
        if self.stage and self.side and self.source:
            raise ConfigError("side: what the encoder is shown would be resized, so leave it out")
        if self.latents and not self.loss.adversarial:
            raise ConfigError("latents: has no effect without loss.adversarial; leave it out")
        self._check_terms()

    def _check_terms(self) -> None:
        """Reject terms of the loss that have no effect here."""
        styled = self.stage == 0 and self.model.generator.base_styles
        for name in ("w_norm", "adversarial", "delta"):
            idle_here = self.stage == 0 and not (styled and name == "adversarial")
            if idle_here and getattr(self.loss, name):
                raise ConfigError(f"loss.{name}: has no effect in joint training (stage 0)")
        if self.loss.code and not (self.stage == 1 and self.model.generator.base_styles):
            raise ConfigError("loss.code: has no effect but in stage 1 behind base styles")
        for name in STYLED_TERMS:
            if getattr(self.loss, name) and not styled:
                raise ConfigError(
                    f"loss.{name}: has no effect but in joint training with base styles"
                )
