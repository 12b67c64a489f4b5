"""The sections of a recipe, each a dataclass: its fields are the keys, with types and defaults."""

import dataclasses
from typing import Any, Literal


@dataclasses.dataclass(frozen=True)
class Data:
    """Where examples come from and how they become a batch; see `mmjax.data`."""

    source: dict  # a spec of SOURCES, or {name: spec with `weight`} for a mixture
    views: dict  # {modality or modality@2: spec of VIEWS}
    batch_size: int  # global: over all processes and devices
    tokenizer: dict | None = None  # a spec of TOKENIZERS, for the text views
    workers: int = 0  # processes that decode and augment; 0 means threads of this process
    prefetch: int = 4  # batches made ready ahead
    # Of a mixture: each batch has rows of all sources, or is of one, source after source.
    mix: Literal["rows", "batches"] = "rows"
    on_error: Literal["skip", "fail"] = "skip"  # what an unreadable example does; it is reported


@dataclasses.dataclass(frozen=True)
class Model:
    """The towers, {modality: {encoder: spec of ENCODERS, head: spec of HEADS}}.

    A tower may start from the weights of a folder: `init_from`, mmjax.weights.start.
    `deterministic` names views of it that training, too, encodes without dropout.
    """

    towers: dict
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 on TPU and GPU
    ema: float | None = None  # decay of a moving average of parameters; evaluation then uses it
    adapters: dict = dataclasses.field(default_factory=dict)  # {name: spec of ADAPTERS}


@dataclasses.dataclass(frozen=True)
class Pairwise:
    """How losses over pairs are computed; every choice gives the same result."""

    schedule: Literal["auto", "dense", "gather", "ring"] = "auto"
    tile: int | None = None  # rows and columns of a tile; None: the default of the engine


@dataclasses.dataclass(frozen=True)
class Queue:
    """Embeddings of past batches as further columns for terms; see `mmjax.system.queue`."""

    size: int  # examples, a multiple of data.batch_size
    views: tuple[str, ...]  # whose embeddings: the teacher's where it has them, else the towers'
    delay: int = 0  # batches that have to have come before any is used


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Optimizer, schedule and per-parameter rules; see `mmjax.train.optimizer`."""

    learning_rate: float
    type: Literal["adamw", "lamb", "lars", "lion", "sgd"] = "adamw"
    b1: float = 0.9  # for `sgd` and `lars`: the momentum
    b2: float = 0.999
    eps: float = 1e-8
    # Times the learning rate; decoupled, but for `sgd` and `lars` part of the gradient.
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup_steps: int = 0
    final_fraction: float = 0.0  # last learning rate as a share of the peak
    clip_norm: float | None = None  # global norm of the gradient
    # Tables of (regular expression over the whole parameter path, factor); the first match wins.
    learning_rate_rules: tuple[tuple[str, float], ...] = ()
    # Only kernels decay, of linear layers and convolutions: not biases, norms, embeddings, scales.
    weight_decay_rules: tuple[tuple[str, float], ...] = ((r".*/kernel", 1.0), (r".*", 0.0))
    # Groups of regular expressions: updates in turn, each with moments and a schedule of its own,
    # which leaves the parameters of the other groups as they are and trains what no group names.
    turns: tuple[tuple[str, ...], ...] = ()
    # Parameters that match are constants without optimizer state; those of adapters never do.
    freeze: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mesh:
    """Sizes of the device axes; one of them may be -1, for the rest of the devices."""

    data: int = -1
    fsdp: int = 1
    tensor: int = 1
    # Table of (regular expression, rule) tried before the defaults of mmjax.parallel.layout.
    rules: tuple[tuple[str, Any], ...] = ()
    fsdp_min_size: int = 4096  # smaller parameters are replicated


@dataclasses.dataclass(frozen=True)
class Checkpoints:
    """When to save and what to keep."""

    every: int = 1000  # steps
    keep_last: int = 2
    keep_best: int = 0  # by `metric`
    metric: str | None = None  # name of an evaluation metric
    mode: Literal["max", "min"] = "max"
    asynchronous: bool = True


@dataclasses.dataclass(frozen=True)
class Check:
    """An inequality between two arms: `arm[metric] compare factor * baseline[metric] + offset`."""

    metric: str
    arm: str
    compare: Literal["<=", ">=", "<", ">"]
    baseline: str | None = None  # None compares with `offset` alone
    factor: float = 1.0
    offset: float = 0.0
    each_seed: bool = False  # hold in every seed, not only in the mean over seeds


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper says, as an experiment; run by `mmjax.claims`."""

    statement: str
    arms: dict[str, tuple[str, ...]]  # arm -> overrides of this config, `key=value` each
    checks: tuple[dict, ...]  # of `Check`
    metrics: tuple[str, ...]  # to show for every arm
    seeds: tuple[int, ...] = (0, 1, 2)
    # Further keys that are set to the seed of a run, such as the seeds of generated data.
    seed_keys: tuple[str, ...] = ()
    paper_numbers: str = ""  # the paper's own result, to read beside ours


@dataclasses.dataclass(frozen=True)
class Stage:
    """What a stage says beside the keys that it changes; see `mmjax.recipe.stages`."""

    name: str
    # Regular expressions over parameter paths: what matches starts anew, all else goes on from the
    # stage before.
    fresh: tuple[str, ...] = ()
    # Table of (regular expression, factor), the first match wins: what goes on is multiplied by it,
    # as where a scale of cosines is folded into the towers.
    scale: tuple[tuple[str, float], ...] = ()
    keep_optimizer: bool = False  # go on with the moments of the stage before


@dataclasses.dataclass(frozen=True)
class Config:
    """The top level of a recipe."""

    recipe: str
    variant: str
    paper: str  # the paper, as a reader would cite it
    steps: int
    data: Data
    model: Model
    objectives: dict  # {name: spec of TERMS with `weight`}
    optimizer: Optimizer
    teacher: dict | None = None  # a spec of TEACHERS, in mmjax.system.teachers
    queue: dict | None = None  # of `Queue`
    seed: int = 0
    microbatches: int = 1
    pairwise: Pairwise = dataclasses.field(default_factory=Pairwise)
    mesh: Mesh = dataclasses.field(default_factory=Mesh)
    checkpoints: Checkpoints = dataclasses.field(default_factory=Checkpoints)
    log_every: int = 50
    evaluate_every: int = 0  # steps; 0: only at the end
    evaluators: dict = dataclasses.field(default_factory=dict)  # {type: {name: spec}}
    claim: dict | None = None  # see mmjax.claims
    stages: tuple[dict, ...] = ()  # phases that change some keys, one after the other


# Keys that change how a run is carried out but not what it computes, so that a run may be resumed
# under other values of them.
OPERATIONAL = (
    "mesh",
    "pairwise",
    "checkpoints",
    "log_every",
    "evaluate_every",
    "evaluators",
    "claim",
    "microbatches",
    "data.workers",
    "data.prefetch",
)
