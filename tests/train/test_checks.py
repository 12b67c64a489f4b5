"""Parts of a recipe that do not fit each other end a run in a sentence, before any data is read."""

import dataclasses
from pathlib import Path

import jax
import pytest

from mmjax import recipe as recipe_lib
from mmjax.data import inputs
from mmjax.errors import ConfigError
from mmjax.evaluators import EVALUATORS, EvaluatorTable
from mmjax.evaluators.data import EvalData
from mmjax.parallel import mesh as mesh_lib
from mmjax.train import checks, trainer
from mmjax.train import state as state_lib
from mmjax.train.evaluation import Evaluation

CONFIGS = Path(__file__).parents[2] / "configs"
CLIP, LATENT = f"{CONFIGS}/clip.py", f"{CONFIGS}/clip_uniform.py:latent"
# As CLIP's image tower: learned positions insist on the size of the image.
VIT = "model.towers.image.encoder={'type':'vit','image_size':(32,32),'patch':8,'width':32,'depth':1,'heads':2}"  # noqa: E501

# Nothing in a network that ends in a mean insists on a size.
MEAN = ["model.towers.image.encoder.pool=mean", "model.towers.image.encoder.pool_width=None"]


def check(recipe, *overrides):
    config = recipe_lib.load(recipe, overrides)
    mesh = mesh_lib.make_mesh(*config.mesh.shape)
    checks.check_model(config, state_lib.plan(config, mesh), mesh)
    return config


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        (
            CLIP,
            ["data.views.text.length=20"],
            r"'data.views.text' makes int32\[\d+, 20\], "
            r".*'model.towers.text.encoder' \(length=16\)",
        ),
        (
            CLIP,
            [*MEAN, "data.views.image.size=30"],
            r"'data.views.image' makes float32\[\d+, 30, 30, 3\], .* divisible by the stride \d+",
        ),
        (
            CLIP,
            [VIT],
            r"'data.views.image' "
            r".*'model.towers.image.encoder' \(image_size=\(32, 32\), channels=3",
        ),
        (
            LATENT,
            ["data.views.a.dim=16"],
            r"'data.views.a' makes float32\[64, 16\], which 'model.towers.a.encoder' \(inputs=32\)",
        ),
        (
            CLIP,
            ["model.towers.text.head.dim=64"],
            r"'objectives.clip.pairs' compares 256 numbers for 'image' "
            r"\('model.towers.image.head'\) and 64 numbers for 'text' "
            r"\('model.towers.text.head'\): give both towers heads of one",
        ),
        (LATENT, ["data.batch_size=60"], r"data.batch_size=60 does not divide over the 8 devices"),
        (
            LATENT,
            ["data.batch_size=72", "microbatches=4"],
            r"microbatches=4 does not fit data.batch_size=72 on 8 devices",
        ),
        (
            CLIP,
            ["microbatches=2"],
            r"microbatches=2 cannot be exact: 'towers/image/.*/mean' is computed from the whole",
        ),
    ],
)
def test_what_does_not_fit_is_named(recipe, overrides, message):
    with pytest.raises(ConfigError, match=message) as error:
        check(recipe, *overrides)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["data.batch_size=1"],
            r"'data.batch_size' is 1, but 'objectives.\w+' \(\w+\) compares the rows of a batch: "
            r"at least 2 are needed",
        ),
        (
            ["objectives.p={'type':'predictive','dim':7,'hidden':4,'pairs':(('a','b'),)}"],
            r"'objectives.p.dim' is 7, but the embeddings of 'a' have 64 numbers: set it to 64",
        ),
    ],
)
def test_terms_have_rows_to_compare_and_know_the_size_of_embeddings(overrides, message):
    config = recipe_lib.load(LATENT, overrides)
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    with pytest.raises(ConfigError, match=message):
        checks.check_model(config, state_lib.plan(config, mesh), mesh)


def test_one_row_is_enough_for_what_compares_none():
    term = "objectives={'alignment':{'type':'alignment','pairs':(('a','b'),)}}"
    config = recipe_lib.load(LATENT, [term, "data.batch_size=1"])
    mesh = mesh_lib.make_mesh(devices=jax.devices()[:1])
    checks.check_model(config, state_lib.plan(config, mesh), mesh)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("data.batch_size=16000000", r"'data.batch_size' \(16000000\) x .* this machine has"),
        ("model.towers.text.encoder.width=16000000", r"the parameters alone need \S+ GiB of each"),
    ],
)
def test_what_no_memory_holds_is_refused(override, message):
    config = recipe_lib.load(CLIP, [override])
    mesh = mesh_lib.make_mesh()
    plan = state_lib.plan(config, mesh)
    with pytest.raises(ConfigError, match=message):
        checks.check_memory(config, plan, mesh)


def test_what_fits_passes():
    check(LATENT)
    check(LATENT, "microbatches=2")
    # The image of a recipe in which nothing insists on a size may have another.
    check(CLIP, *MEAN, "data.views.image.size=32")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.towers.text.encoder.vocab_size=7000"],
            r"'data.tokenizer' \(emoji_8k\) has 8,000 ids, "
            r"but 'model.towers.text.encoder.vocab_size' "
            r"is 7,000, .*: set it to 8000",
        ),
        (
            ["model.towers.text.encoder.pad_id=1"],
            r"\(emoji_8k\) pads with the id 0, but 'model.towers.text.encoder.pad_id' is 1",
        ),
        (
            ["model.towers.text.encoder.pool=eot", "model.towers.text.encoder.eos_id=5"],
            r"\(emoji_8k\) ends a text with the id 3, but 'model.towers.text.encoder.eos_id' is 5",
        ),
    ],
)
def test_ids_that_the_encoder_was_not_told_of(overrides, message):
    config = recipe_lib.load(CLIP, overrides)
    with pytest.raises(ConfigError, match=message):
        checks.check_tokenizer(config, inputs.views(config.data))


def test_larger_vocabularies_and_unread_ends_are_fine():
    config = recipe_lib.load(
        CLIP, ["model.towers.text.encoder.vocab_size=9000", "model.towers.text.encoder.eos_id=5"]
    )
    checks.check_tokenizer(config, inputs.views(config.data))


def test_an_evaluator_asks_for_what_its_source_has():
    config = recipe_lib.load(LATENT)
    evaluator = config.evaluators["geometry"]["test"]
    data = EvalData(evaluator.sources["source"].build(), inputs.views(config.data))
    checks.check_evaluator("evaluators.geometry.test", evaluator, "source", data)
    spec = EVALUATORS.spec("retrieval", pairs=(("a", "c"),))
    other = dataclasses.replace(evaluator, evaluator=spec)
    with pytest.raises(
        ConfigError, match=r"'retrieval.pairs' asks for 'c', which 'e.source' .* it has 'a', 'b'$"
    ):
        checks.check_evaluator("e", other, "source", data)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("knn", {"labels": "grupp"}, r"'grupp' of 'evaluators.knn.e.labels'; did you mean 'group'"),
        ("few_shot", {"labels": "no", "modality": "image"}, r"unknown label 'no' of"),
        ("structure", {"reference": "concept"}, r"unknown label 'concept' of"),
        ("zero_shot", {"labels": "image"}, r"'image' is no label, but a modality"),
        ("zero_shot", {"labels": "group", "languages": ("xx",)}, r"Unknown language .* 'xx'"),
    ],
)
def test_labels_that_an_evaluator_names_are_known_before_a_run(kind, options, message):
    emoji = {"type": "emoji", "split": "new_concepts"}
    sources = {"source": emoji, "train": emoji} if kind == "knn" else {"source": emoji}
    config = recipe_lib.load(CLIP)
    table = EvaluatorTable().parse({kind: {"e": {**options, **sources}}}, "evaluators", "a file")
    config = dataclasses.replace(config, evaluators=table)
    with pytest.raises(ConfigError, match=message):
        Evaluation(config, mesh_lib.make_mesh())


def test_a_run_ends_before_its_data_is_opened(tmp_path, monkeypatch):
    monkeypatch.setattr(inputs, "train_data", lambda *_: pytest.fail("the data was opened"))
    config = recipe_lib.load(LATENT, ["data.views.a.dim=16"])
    with pytest.raises(ConfigError, match=r"'data.views.a'"):
        trainer.train(config, tmp_path, quiet=True)


def test_a_recipe_that_is_refused_leaves_no_folder(tmp_path):
    config = recipe_lib.load(LATENT, ["data.views.a.dim=16"])
    with pytest.raises(ConfigError, match=r"'data.views.a'"):
        trainer.train(config, tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()
