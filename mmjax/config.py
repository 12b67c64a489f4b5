"""What a recipe may say, and the check that it says it well.

A recipe is a Python file with `get_config(variant)` that returns an `ml_collections.ConfigDict`.
The schema is not written twice: a section is a dataclass below (`Optimizer`, `Mesh`, ...), and a
component is named by `type`, looked up in its package's dict (`ENCODERS`, `TERMS`, ...), and the
constructor's signature says which keys there are, of which types, and which may be left out.
`load` checks every key before anything is built and completes the defaults, so that the config
that a run writes down is whole.

Overrides are read here rather than by `ml_collections.config_flags`, which knows only the leaves
that a file spells out: here any key of the schema can be set, and a wrong one ends in a sentence.
"""

import ast
import dataclasses
import difflib
import importlib.util
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import ml_collections


class ConfigError(ValueError):
    """A recipe says something it may not; the message names the key, the file and what to do."""


class NoVariant(ConfigError):
    """The recipe has no variant of that name."""


@dataclasses.dataclass(frozen=True)
class Data:
    """Where examples come from and how they become a batch; see `mmjax.data`."""

    source: dict  # a spec of SOURCES, or {name: spec with `weight`} for a mixture
    views: dict  # {modality or modality@2: spec of VIEWS}
    batch_size: int  # global: over all processes and devices
    tokenizer: dict | None = None  # a spec of TOKENIZERS, for the text views
    workers: int = 0  # processes that decode and augment; 0 means threads of this process
    prefetch: int = 4  # batches made ready ahead
    on_error: Literal["skip", "fail"] = "skip"  # what an unreadable example does; it is reported


@dataclasses.dataclass(frozen=True)
class Model:
    """The towers, {modality: {encoder: spec of ENCODERS, head: spec of HEADS}}."""

    towers: dict
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"  # auto: bfloat16 on TPU and GPU
    ema: float | None = None  # decay of a moving average of parameters; evaluation then uses it


@dataclasses.dataclass(frozen=True)
class Pairwise:
    """How losses over pairs are computed; every choice gives the same result."""

    schedule: Literal["auto", "dense", "gather", "ring"] = "auto"
    tile: int | None = None  # rows and columns of a tile; None: the default of the engine


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """Optimizer, schedule and per-parameter rules; see `mmjax.train.optimizer`."""

    learning_rate: float
    type: Literal["adamw", "lion", "sgd"] = "adamw"
    b1: float = 0.9  # for `sgd`: the momentum
    b2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0  # decoupled, times the learning rate
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup_steps: int = 0
    final_fraction: float = 0.0  # last learning rate as a share of the peak
    clip_norm: float | None = None  # global norm of the gradient
    # Tables of (regular expression over the whole parameter path, factor); the first match wins.
    learning_rate_rules: tuple[tuple[str, float], ...] = ()
    # Only kernels decay, of linear layers and convolutions: not biases, norms, embeddings, scales.
    weight_decay_rules: tuple[tuple[str, float], ...] = ((r".*/kernel", 1.0), (r".*", 0.0))
    freeze: tuple[str, ...] = ()  # parameters that match are constants without optimizer state


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
    paper_numbers: str = ""  # the paper's own result, to read beside ours


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
    seed: int = 0
    microbatches: int = 1
    pairwise: Pairwise = dataclasses.field(default_factory=Pairwise)
    mesh: Mesh = dataclasses.field(default_factory=Mesh)
    checkpoints: Checkpoints = dataclasses.field(default_factory=Checkpoints)
    log_every: int = 50
    evaluate_every: int = 0  # steps; 0: only at the end
    evaluators: dict = dataclasses.field(default_factory=dict)  # {type: {name: spec}}
    claim: dict | None = None  # see mmjax.claims


# Keys that change how a run is carried out but not what it computes, so that a run may be resumed
# under other values of them.
OPERATIONAL = ("mesh", "pairwise", "checkpoints", "log_every", "evaluate_every", "evaluators",
               "claim", "microbatches", "data.workers", "data.prefetch")  # fmt: skip


def load(path: str, overrides: Iterable[str] = ()) -> ml_collections.ConfigDict:
    """Reads a recipe, applies overrides, checks it and completes its defaults.

    Args:
      path: `configs/clip.py` or `configs/clip.py:paper`; the part after the colon is the variant.
      overrides: `a.b=value` each; a value is a Python literal, or else a string.

    Returns:
      The whole config.

    Raises:
      ConfigError: in one sentence, for a file, a variant or a key that cannot be.
    """
    file, _, variant = path.partition(":")
    recipe = _recipe(file)
    try:
        config = recipe.get_config(variant or "small")
    except KeyError as error:
        raise NoVariant(f"{file} has no variant {error}") from error
    tree = plain(config)
    for override in overrides:
        _set(tree, override, file)
    return ml_collections.ConfigDict(complete(tree, file))


def _recipe(file: str) -> types.ModuleType:
    if not Path(file).is_file():
        near = difflib.get_close_matches(
            Path(file).name, [p.name for p in Path(file).parent.glob("*.py")], 1
        )
        hint = f"; did you mean {Path(file).parent / near[0]}?" if near else ""
        raise ConfigError(f"there is no config file {file}{hint}")
    spec = importlib.util.spec_from_file_location(f"mmjax_recipe_{Path(file).stem}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ConfigError(f"{file} has no function get_config(variant), so it is not a recipe")
    return module


def plain(config: Any) -> Any:
    """A ConfigDict as plain dicts, tuples and scalars."""
    if isinstance(config, ml_collections.ConfigDict):
        config = {key: config[key] for key in config}
    if isinstance(config, Mapping):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return tuple(plain(value) for value in config)
    return config


def _set(tree: dict, override: str, file: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"override {override!r} is not of the form --config.key=value")
    try:
        value = plain(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        value = {"true": True, "false": False, "none": None}.get(text.lower(), text)
    keys = path.split(".")
    for depth, key in enumerate(keys[:-1]):
        child = tree.get(key)
        if child is None:
            child = tree[key] = {}
        if not isinstance(child, dict):
            name = ".".join(keys[: depth + 1])
            raise ConfigError(f"{file}: {name!r} is not a section, so {path!r} cannot be set")
        tree = child
    tree[keys[-1]] = value


def complete(tree: Mapping, file: str) -> dict:
    """Checks a plain config against the schema and returns it with every default filled in."""
    # Imported here: the packages import ConfigError from this module.
    from mmjax.data import SOURCES, TOKENIZERS, VIEWS
    from mmjax.encoders import ENCODERS
    from mmjax.evaluators import EVALUATORS
    from mmjax.model.heads import HEADS
    from mmjax.objectives import TERMS

    config = _fill(Config, tree, "", file)

    def component(registry, spec, where, provided=(), also=()):
        return check(registry, spec, where, file, provided, also)

    def source(spec, where):
        if "type" in spec:
            return component(SOURCES, spec, where)
        return {
            name: component(SOURCES, part, f"{where}.{name}", also={"weight": (float, 1.0)})
            for name, part in _section(spec, where, file).items()
        }

    data, model = config["data"], config["model"]
    data["source"] = source(data["source"], "data.source")
    if data["tokenizer"] is not None:
        data["tokenizer"] = component(TOKENIZERS, data["tokenizer"], "data.tokenizer")
    data["views"] = {
        name: component(VIEWS, spec, f"data.views.{name}", {"tokenizer"})
        for name, spec in data["views"].items()
    }
    for name, tower in model["towers"].items():
        where = f"model.towers.{name}"
        for key in _section(tower, where, file):
            if key not in ("encoder", "head"):
                raise _unknown(key, ("encoder", "head"), where, file)
        if "encoder" not in tower:
            raise ConfigError(f"{file}: {where!r} misses the key 'encoder'")
        model["towers"][name] = {
            "encoder": component(
                ENCODERS, tower["encoder"], f"{where}.encoder", {"rngs", "dtype"}
            ),
            "head": component(
                HEADS, tower.get("head", {"type": "none"}), f"{where}.head",
                {"rngs", "dtype", "width"},
            ),
        }  # fmt: skip
    for name in data["views"]:
        if name.partition("@")[0] not in model["towers"]:
            raise ConfigError(
                f"{file}: 'data.views.{name}' has no tower; 'model.towers' has "
                f"{sorted(model['towers'])}"
            )
    # A component that an override sets to None is left out.
    config["objectives"] = {k: v for k, v in config["objectives"].items() if v is not None}
    if not config["objectives"]:
        raise ConfigError(f"{file}: 'objectives' is empty: there is nothing to train")
    config["objectives"] = {
        name: component(
            TERMS, spec, f"objectives.{name}", {"rngs"}, {"weight": (float | dict, 1.0)}
        )
        for name, spec in config["objectives"].items()
    }
    for kind, named in config["evaluators"].items():
        if kind not in EVALUATORS:
            raise _unknown(kind, EVALUATORS, "evaluators", file)
        for name, spec in _section(named, f"evaluators.{kind}", file).items():
            where = f"evaluators.{kind}.{name}"
            if "source" not in _section(spec, where, file):
                raise ConfigError(f"{file}: {where!r} misses the key 'source'")
            named[name] = component(
                {kind: EVALUATORS[kind]}, {"type": kind, **spec}, where, also={"source": (dict, {})}
            )
            del named[name]["type"]
            named[name]["source"] = source(spec["source"], f"{where}.source")
    if config["claim"] is not None:
        claim = config["claim"] = _fill(Claim, config["claim"], "claim", file)
        claim["checks"] = tuple(
            _fill(Check, each, f"claim.checks[{i}]", file) for i, each in enumerate(claim["checks"])
        )
        for each in claim["checks"]:
            for arm in {each["arm"], each["baseline"]} - {None}:
                if arm not in claim["arms"]:
                    raise _unknown(arm, claim["arms"], "claim.checks", file, "arm")
    return config


def check(
    registry: Mapping[str, Callable], spec: Any, where: str, file: str,
    provided: Iterable[str] = (), also: Mapping[str, tuple[Any, Any]] | None = None,
) -> dict:  # fmt: skip
    """Checks the spec of one component against its constructor and completes it.

    Args:
      registry: name -> constructor.
      spec: a dict with `type` and the constructor's keyword arguments.
      where: path of the spec in the config, for messages.
      file: the recipe's file, for messages.
      provided: arguments that the framework passes and a recipe may not.
      also: further keys that may stand beside the arguments, name -> (type, default).
    """
    _section(spec, where, file)
    if "type" not in spec:
        raise ConfigError(f"{file}: {where!r} misses the key 'type' (one of {sorted(registry)})")
    if spec["type"] not in registry:
        raise _unknown(spec["type"], registry, f"{where}.type", file, "value")
    fields = {
        name: field
        for name, field in signature(registry[spec["type"]]).items()
        if name not in set(provided)
    }
    fields.update(also or {})
    rest = {key: value for key, value in spec.items() if key != "type"}
    return {"type": spec["type"], **_match(fields, rest, where, file)}


def build(registry: Mapping[str, Callable], spec: Mapping, **provided: Any) -> Any:
    """Constructs the component of a checked spec; `provided` that it does not take are left out.

    Raises:
      ConfigError: when the constructor refuses the options.
    """
    make = registry[spec["type"]]
    takes = signature(make)
    options = {key: value for key, value in plain(spec).items() if key != "type"}
    try:
        return make(**options, **{key: value for key, value in provided.items() if key in takes})
    except ValueError as error:
        raise ConfigError(f"{spec['type']}: {error}") from error


def signature(make: Callable) -> dict[str, tuple[Any, Any]]:
    """The keyword arguments of a constructor, name -> (annotation, default)."""
    # Of `__init__` itself: a class whose metaclass defines `__call__`, such as an NNX module, shows
    # the signature of that.
    function = make.__init__ if inspect.isclass(make) else make
    hints = typing.get_type_hints(function)
    return {
        name: (hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self"
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }


def _section(value: Any, where: str, file: str) -> Mapping:
    if not isinstance(value, Mapping):
        raise ConfigError(f"{file}: {where!r} should be a dict of keys, not {value!r}")
    return value


def _fill(section: type, values: Any, where: str, file: str) -> dict:
    fields = {}
    hints = typing.get_type_hints(section)
    for field in dataclasses.fields(section):
        default = field.default
        if field.default_factory is not dataclasses.MISSING:
            default = field.default_factory()
        if dataclasses.is_dataclass(default):
            default = {}
        elif default is dataclasses.MISSING:
            default = inspect.Parameter.empty
        fields[field.name] = (hints[field.name], default)
    return _match(fields, values, where, file)


def _match(fields: Mapping, values: Any, where: str, file: str) -> dict:
    for key in _section(values, where or "config", file):
        if key not in fields:
            raise _unknown(key, fields, where, file)
    done = {}
    for key, (annotation, default) in fields.items():
        path = f"{where}.{key}" if where else key
        if key not in values and default is inspect.Parameter.empty:
            raise ConfigError(f"{file}: the key {path!r} is missing ({_describe(annotation)})")
        value = plain(values.get(key, default))
        if dataclasses.is_dataclass(annotation):
            done[key] = _fill(annotation, value, path, file)
        elif not fits(value, annotation):
            raise ConfigError(
                f"{file}: {path!r} should be {_describe(annotation)}, but is {value!r}"
            )
        else:
            done[key] = value
    return done


def fits(value: Any, annotation: Any) -> bool:
    """Whether a plain value is of an annotated type (an int is a float, a bool is not an int)."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation in (Any, inspect.Parameter.empty):
        return True
    if origin in (typing.Union, types.UnionType):
        return any(fits(value, arg) for arg in args)
    if origin is Literal:
        return any(value == arg and type(value) is type(arg) for arg in args)
    if annotation is None or annotation is type(None):
        return value is None
    if annotation is bool or isinstance(value, bool):
        return annotation is bool and isinstance(value, bool)
    if annotation is float:
        return isinstance(value, int | float)
    if origin in (tuple, list, Sequence):
        if not isinstance(value, tuple | list):
            return False
        if origin is tuple and not (len(args) == 2 and args[1] is Ellipsis):
            return len(value) == len(args) and all(map(fits, value, args))
        return all(fits(item, args[0]) for item in value)
    if origin in (dict, Mapping) or annotation in (dict, Mapping):
        return isinstance(value, Mapping) and (
            not args or all(fits(k, args[0]) and fits(v, args[1]) for k, v in value.items())
        )
    if annotation in (tuple, list):
        return isinstance(value, tuple | list)
    return isinstance(value, annotation)


def _describe(annotation: Any) -> str:
    if typing.get_origin(annotation) is Literal:
        return "one of " + ", ".join(map(repr, typing.get_args(annotation)))
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        return " or ".join(_describe(arg) for arg in typing.get_args(annotation))
    if annotation is type(None):
        return "None"
    if dataclasses.is_dataclass(annotation):
        return "a section with the keys " + ", ".join(
            field.name for field in dataclasses.fields(annotation)
        )
    if inspect.isclass(annotation) and typing.get_origin(annotation) is None:
        return {"int": "an int", "float": "a float", "str": "a string", "bool": "a bool"}.get(
            annotation.__name__, f"a {annotation.__name__}"
        )
    return str(annotation).replace("typing.", "")


def _unknown(key: str, valid: Iterable[str], where: str, file: str, what: str = "key"):
    path = f"{where}.{key}" if where and what == "key" else where or key
    near = difflib.get_close_matches(str(key), [str(name) for name in valid], 1, 0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    named = f"{path!r}" if what == "key" else f"{key!r} of {where!r}"
    return ConfigError(f"{file}: unknown {what} {named}{hint} (valid: {', '.join(valid)})")


def differences(old: Mapping, new: Mapping, where: str = "") -> list[str]:
    """The leaves in which two configs differ, operational keys left out, as `key: old -> new`."""
    found = []
    for key in sorted({*old, *new}):
        path = f"{where}.{key}" if where else key
        if path in OPERATIONAL:
            continue
        a, b = old.get(key, "(not set)"), new.get(key, "(not set)")
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            found += differences(a, b, path)
        elif _json(a) != _json(b):
            found.append(f"{path}: {_json(a)} -> {_json(b)}")
    return found


def _json(value: Any) -> str:
    return json.dumps(plain(value), ensure_ascii=False)


def dump(config: Mapping) -> str:
    """The config as JSON text, readable and with keys in order."""
    return json.dumps(plain(config), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
