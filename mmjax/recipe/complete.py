"""The whole of a recipe against the schema, and components from their specs.

A component is named by `type`, looked up in its package's dict (`ENCODERS`, `TERMS`, ...); the
constructor's signature says which keys there are beside it.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from mmjax.errors import ConfigError, unknown
from mmjax.recipe import stages as stages_lib
from mmjax.recipe.references import check_references
from mmjax.recipe.sections import Check, Claim, Config, Queue
from mmjax.schema.values import argument, fill, match, plain, section_of, signature

# What a tower may say.
_TOWER = ("encoder", "head", "heads", "init_from", "augment", "deterministic")


def complete(tree: Mapping, file: str) -> dict:
    """Checks a plain config against the schema and returns it with every default filled in.

    Each stage is checked as the whole config that it is together with what it changes, and is
    returned as what it changes of the completed config.
    """
    tree = plain(tree)
    given = stages_lib.read(tree.pop("stages", ()), file)
    config = _whole(tree, file)
    stages = []
    for stage in given:
        of_stage = f"{file}, stage {stage['name']!r}"
        ((own, changed),) = stages_lib.stage_configs({**tree, "claim": None, "stages": (stage,)})
        whole = _whole(changed, of_stage)
        check_references(whole, of_stage)
        stages.append({**own, **stages_lib.changes({**config, "claim": None}, whole)})
    config["stages"] = tuple(stages)
    check_references(config, file)
    return config


def _whole(tree: Mapping, file: str) -> dict:
    """A config without stages, completed; its references are not checked."""
    # Imported here: the packages import ConfigError from this module.
    from mmjax.data import SOURCES, TOKENIZERS, VIEWS
    from mmjax.encoders import ENCODERS
    from mmjax.evaluators import EVALUATORS
    from mmjax.model.adapters import ADAPTERS
    from mmjax.model.augment import AUGMENTATIONS
    from mmjax.model.heads import HEADS
    from mmjax.objectives import TERMS
    from mmjax.system.teachers import TEACHERS
    from mmjax.weights.start import complete as complete_tower

    config = fill(Config, tree, "", file)

    def component(registry, spec, where, provided=(), also=()):
        return check(registry, spec, where, file, provided, also)

    def source(spec, where):
        if "like" in spec and where.startswith("evaluators."):
            spec = _like(spec, config["data"]["source"], where, file)
        if "type" in spec:
            return component(SOURCES, spec, where)
        if not spec:
            raise ConfigError(f"{file}: {where!r} is empty: name a source, by its 'type'")
        return {
            name: component(SOURCES, part, f"{where}.{name}", also={"weight": (float, 1.0)})
            for name, part in section_of(spec, where, file).items()
        }

    def head(spec, where):
        return component(HEADS, spec, where, {"rngs", "dtype", "width"})

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
        for key in section_of(tower, where, file):
            if key not in _TOWER:
                raise unknown(key, _TOWER, where, file)
        start = {}
        if tower.get("init_from") is not None:
            tower = complete_tower(tower, name, where, file)
            start = {"init_from": tower["init_from"]}
        if "encoder" not in tower:
            raise ConfigError(f"{file}: {where!r} misses the key 'encoder'")
        if tower.get("augment") is not None:
            start["augment"] = component(AUGMENTATIONS, tower["augment"], f"{where}.augment")
        if tower.get("deterministic"):
            known = [view for view in data["views"] if view.partition("@")[0] == name]
            fields = {"deterministic": (tuple[str, ...], ())}
            start |= match(fields, {"deterministic": tower["deterministic"]}, where, file)
            for view in start["deterministic"]:
                if view not in known:
                    raise unknown(view, known, f"{where}.deterministic", file, "view")
        model["towers"][name] = {
            **start,
            "encoder": component(ENCODERS, tower["encoder"], f"{where}.encoder", {"rngs", "dtype"}),
            "head": head(tower.get("head", {"type": "none"}), f"{where}.head"),
        }
        if tower.get("heads"):
            model["towers"][name]["heads"] = {
                other: head(spec, f"{where}.heads.{other}")
                for other, spec in section_of(tower["heads"], f"{where}.heads", file).items()
            }
    model["adapters"] = {
        name: component(ADAPTERS, spec, f"model.adapters.{name}", {"encoders", "rngs"})
        for name, spec in model["adapters"].items()
        if spec is not None
    }
    for name, spec in data["views"].items():
        embedded = getattr(VIEWS[spec["type"]], "embedded", True)
        if embedded and name.partition("@")[0] not in model["towers"]:
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
            TERMS,
            spec,
            f"objectives.{name}",
            {"rngs"},
            {"weight": (float | dict, 1.0), "head": (str | None, None)},
        )
        for name, spec in config["objectives"].items()
    }
    if config["teacher"] is not None:
        config["teacher"] = component(TEACHERS, config["teacher"], "teacher")
    if config["queue"] is not None:
        config["queue"] = fill(Queue, config["queue"], "queue", file)
    for kind, named in config["evaluators"].items():
        if kind not in EVALUATORS:
            raise unknown(kind, EVALUATORS, "evaluators", file)
        for name, spec in section_of(named, f"evaluators.{kind}", file).items():
            where = f"evaluators.{kind}.{name}"
            if "source" not in section_of(spec, where, file):
                raise ConfigError(f"{file}: {where!r} misses the key 'source'")
            named[name] = component(
                {kind: EVALUATORS[kind]}, {"type": kind, **spec}, where, also={"source": (dict, {})}
            )
            del named[name]["type"]
            for key in {"source", "train"} & set(spec):  # what it measures, what it fits on
                named[name][key] = source(spec[key], f"{where}.{key}")
    if config["claim"] is not None:
        claim = config["claim"] = fill(Claim, config["claim"], "claim", file)
        claim["checks"] = tuple(
            fill(Check, each, f"claim.checks[{i}]", file) for i, each in enumerate(claim["checks"])
        )
        for each in claim["checks"]:
            for arm in {each["arm"], each["baseline"]} - {None}:
                if arm not in claim["arms"]:
                    raise unknown(arm, claim["arms"], "claim.checks", file, "arm")
    return config


def _like(spec: Mapping, training: Mapping, where: str, file: str) -> dict:
    """A source that says what differs from the training source: `{like: data.source, split: val}`.

    So an override of the training source's path holds for evaluation, too. Of a mixture one part
    is named, `data.source.<name>`. Rows of another split are taken for rows that are not trained
    on, so a source that trains on all of them is refused.
    """
    known = (
        {"data.source": training}
        if "type" in training
        else {f"data.source.{name}": part for name, part in training.items()}
    )
    if spec["like"] not in known:
        raise unknown(spec["like"], known, f"{where}.like", file, "value")
    model = {key: value for key, value in known[spec["like"]].items() if key != "weight"}
    split = spec.get("split", "all")
    if model.get("split") == "all" and split not in ("all", "train") and "path" not in spec:
        raise ConfigError(
            f"{file}: {where!r} asks for the split {split!r} of {spec['like']}, whose split is "
            f"'all': training would see these rows. Set {spec['like']}.split='train'"
        )
    return {**model, **{key: value for key, value in spec.items() if key != "like"}}


def check(
    registry: Mapping[str, Callable],
    spec: Any,
    where: str,
    file: str,
    provided: Iterable[str] = (),
    also: Mapping[str, tuple[Any, Any]] | None = None,
) -> dict:
    """Checks the spec of one component against its constructor and completes it.

    Args:
      registry: name -> constructor.
      spec: a dict with `type` and the constructor's keyword arguments.
      where: path of the spec in the config, for messages.
      file: the recipe's file, for messages.
      provided: arguments that the framework passes and a recipe may not.
      also: further keys that may stand beside the arguments, name -> (type, default).
    """
    section_of(spec, where, file)
    if "type" not in spec:
        raise ConfigError(f"{file}: {where!r} misses the key 'type' (one of {sorted(registry)})")
    if spec["type"] not in registry:
        raise unknown(spec["type"], registry, f"{where}.type", file, "value")
    fields = {
        name: field
        for name, field in signature(registry[spec["type"]]).items()
        if name not in set(provided)
    }
    fields.update(also or {})
    rest = {key: value for key, value in spec.items() if key != "type"}
    return {"type": spec["type"], **match(fields, rest, where, file)}


def build(registry: Mapping[str, Callable], spec: Mapping, **provided: Any) -> Any:
    """Constructs the component of a checked spec; `provided` that it does not take are left out.

    Raises:
      ConfigError: when the constructor refuses the options.
    """
    make = registry[spec["type"]]
    takes = signature(make)
    options = {key: value for key, value in plain(spec).items() if key != "type"}
    try:
        options = {key: argument(value, takes[key][0]) for key, value in options.items()}
        return make(**options, **{key: value for key, value in provided.items() if key in takes})
    except ValueError as error:
        raise ConfigError(f"{spec['type']}: {error}") from error
