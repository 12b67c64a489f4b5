"""`weights`: what a recipe takes from a folder, what it is told, and the commands of the page."""

import json
import math
import re
import shlex
import shutil
import wave
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
import weights_folders as folders
from flax import nnx
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from third_party import needs

import mmjax
from mmjax import recipe as recipe_lib
from mmjax.data.registry import TOKENIZERS
from mmjax.encoders import positions
from mmjax.errors import ConfigError, UserError
from mmjax.export import export
from mmjax.parallel import mesh as mesh_lib
from mmjax.report.table import summary_table
from mmjax.train import borders, trainer
from mmjax.train import stages as stages_lib
from mmjax.train import state as state_lib
from mmjax.train.metrics import MetricWriter

PAGE = (Path(__file__).parents[2] / "docs" / "finetune.md").read_text(encoding="utf-8")
FAMILIES = ("clip", "siglip", "clap", "open_clip")
QUICK = ("steps=2", "data.batch_size=8", "optimizer.warmup_steps=0", "log_every=1")
SCALE = 2.25  # of the folders, as a logarithm


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with `weights/<family>`, images with captions in `pictures`, and sounds.csv."""
    home = tmp_path_factory.mktemp("home")
    for family in FAMILIES:
        folders.whole_folder(family, home / "weights" / family)
    (home / "pictures").mkdir()
    rng, rows = np.random.default_rng(0), ["file,caption"]
    for i in range(40):
        Image.new("RGB", (40, 30), (6 * i, 90, 200)).save(home / "pictures" / f"{i}.png")
        (home / "pictures" / f"{i}.txt").write_text(f"Colour number {i}")
        with wave.open(str(home / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, 2000, 0, "NONE", ""))  # mono, 16 bits, 2 kHz
            file.writeframes((3000 * rng.normal(size=1500)).astype("<i2").tobytes())
        rows.append(f"{i}.wav,sound number {i}")
    (home / "sounds.csv").write_text("\n".join(rows))
    return home


@pytest.fixture(autouse=True)
def in_home(home, monkeypatch):
    monkeypatch.chdir(home)


def load(weights, *overrides, variant="full"):
    path = Path(weights) if "/" in str(weights) else Path("weights") / weights
    return recipe_lib.load(f"finetune:{variant}", (f"weights={path}", *QUICK, *overrides))


EXPECTED = {
    "clip": ("crop", (0.48, 0.46, 0.41), (0.27, 0.26, 0.28), "bicubic"),
    "siglip": ("squash", (0.5,) * 3, (0.5,) * 3, "bilinear"),
    "open_clip": ("squash", (0.4,) * 3, (0.2,) * 3, "bilinear"),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_folder_completes_the_recipe(family):
    config = load(family)
    views, towers = config.data.views, config.model.towers
    if family == "clap":
        sound = {key: views["audio"].options[key] for key in ("rate", "hop", "window", "mels")}
        assert sound == {"rate": 2000, "hop": 64, "window": 128, "mels": 8}
        assert (views["audio"].options["low"], views["audio"].options["high"]) == (50, 900)
    else:
        image = views["image"].options
        found = tuple(image[key] for key in ("fit", "mean", "std", "interpolation"))
        assert found == EXPECTED[family]
        assert image["size"] == towers["image"].encoder.options["image_size"] == (16, 16)

    # The ids are those of the folder's own tokenizer, marks included.
    tokenizers = needs("tokenizers")
    own = tokenizers.Tokenizer.from_file(f"weights/{family}/tokenizer.json")
    own.enable_truncation(12)
    view = views["text"].build(tokenizer=config.data.tokenizer.build())
    for text in ("a red circle", "a blue square " * 5):
        ids = own.encode(text).ids
        row = view.tokens(text)
        assert row[: len(ids)].tolist() == ids
        assert set(row[len(ids) :]) <= {towers["text"].encoder.options["pad_id"]}
    lowered = (view.tokens("RED") == view.tokens("red")).all()
    assert lowered == (family == "siglip")  # whose tokenizer_config.json says so

    (name, objective), other = *config.objectives.items(), "audio" if family == "clap" else "image"
    assert name == objective.term.type == ("sigmoid" if family == "siglip" else "info_nce")
    assert objective.term.options["pairs"] == ((other, "text"),)
    assert math.log(1 / objective.term.options["temperature"]) == pytest.approx(SCALE)
    assert objective.term.options.get("bias") == (-3.5 if family == "siglip" else None)
    assert [name for _, name in config.evaluators["retrieval"]["held_out"].reads()] == [
        other,
        "text",
    ]
    # Whole: what it writes down needs no folder.
    again = recipe_lib.of_json(
        json.loads(recipe_lib.dump(config).replace("weights/", "gone/")), "x"
    )
    assert again.model.towers["text"].encoder == towers["text"].encoder


def test_what_the_recipe_says_stays():
    config = load(
        "clip",
        "data.views.image.mean=(.5, .5, .5)",
        "data.views.image.flip=.5",
        "objectives.mine={'type': 'sigmoid', 'temperature': .5}",
        "model.towers.text={'encoder': {'type': 'text_transformer', 'vocab_size': 8000}}",
        "data.views.text={'type': 'text', 'length': 20}",
        "data.tokenizer={'type': 'sentencepiece'}",
    )
    image = config.data.views["image"].options
    assert (image["mean"], image["flip"], image["std"]) == ((0.5,) * 3, 0.5, (0.27, 0.26, 0.28))
    (term,) = config.objectives.values()
    assert (term.term.type, term.term.options["temperature"]) == ("sigmoid", 0.5)
    assert config.model.towers["text"].init_from is None
    assert config.data.tokenizer.type == "sentencepiece"


@pytest.mark.parametrize(
    ("overrides", "size", "length"),
    [
        (("data.views.image.size=32", "data.views.text.length=24"), (32, 32), 24),
        (
            ("model.towers.image.encoder.image_size=(24, 8)", "model.towers.text.encoder.length=6"),
            (24, 8),
            6,
        ),
    ],
)
def test_sizes_of_views_and_encoders_are_said_once(overrides, size, length):
    config = load("clip", *overrides)
    image, text = (config.model.towers[m].encoder.options for m in ("image", "text"))
    views = config.data.views
    assert image["image_size"] == size
    assert views["image"].build(tokenizer=None).shape[:2] == size
    assert text["length"] == views["text"].options["length"] == length
    weights, plan = started(config)
    arrays = begun(weights, plan)
    held = mmjax.load("weights/clip").bundle.arrays
    new, old = (a["towers/text/encoder/position"] for a in (arrays, held))
    np.testing.assert_array_equal(new[:3], old[:3])
    assert np.abs(arrays["towers/image/encoder/position"]).min() > 0
    assert any(line.startswith("data.views.image is not as") for line in weights.differing)


def started(config):
    """(weights as a run starts from them, plan); nothing is compiled."""
    stages, mesh = stages_lib.of(config), mesh_lib.make_mesh()
    (plan,) = borders.plans(stages, mesh)
    return borders.pretrained(stages, 0, plan), plan


def begun(weights, plan):
    """The arrays that a run starts with, zeros where the folder has none."""
    empty = {
        path: jnp.zeros(v.shape, v.dtype) for path, (_, v) in plan.definition.variables.items()
    }
    return weights.into(empty)


@given(old=st.integers(2, 90), more=st.integers(0, 200))
def test_positions_of_longer_texts(old, more):
    x = np.random.default_rng(old).normal(size=(old, 3)).astype(np.float32)
    kept, new = round(20 / 77 * old), positions.stretch(x, old + more)
    assert new.shape == (old + more, 3)
    np.testing.assert_array_equal(new[:kept], x[:kept])
    np.testing.assert_allclose(new[-1], x[-1], rtol=1e-6)
    line = np.arange(old, dtype=np.float32)[:, None] * np.ones(3, np.float32)
    steps = np.diff(positions.stretch(line, old + more)[kept:, 0])
    if len(steps):  # evenly spaced, over the same range
        np.testing.assert_allclose(steps, (old - kept - 1) / (old + more - kept - 1), atol=1e-4)
    np.testing.assert_array_equal(positions.stretch(x, 1 + old // 2), x[: 1 + old // 2])


# --- what is told -----------------------------------------------------------------------------


def test_what_differs_from_the_folder_is_named():
    assert started(load("clip"))[0].differing == []
    config = load("clip", "data.views.image.mean=(.5, .5, .5)", "data.views.image.fit=pad")
    (line,) = started(config)[0].differing
    assert line == (
        "data.views.image is not as weights/clip says: fit='pad' where the folder has 'crop'; "
        "mean=(0.5, 0.5, 0.5) where the folder has (0.48, 0.46, 0.41)"
    )
    shutil.copytree("weights/clip", "copy", dirs_exist_ok=True)
    tokenizer = load("clip").data.tokenizer.plain()
    same = load("clip", f"data.tokenizer={ {**tokenizer, 'path': 'copy/tokenizer.json'} }")
    assert started(same)[0].differing == []
    (line,) = started(load("clip", "data.tokenizer={'type': 'bytes'}"))[0].differing
    assert line == (
        "data.tokenizer (bytes) is not the tokenizer of weights/clip (weights/clip/tokenizer.json)"
    )


def test_errors_point_at_the_cure(tmp_path):
    folder = tmp_path / "run"
    with pytest.raises(
        ConfigError, match=r"8,000 ids.*vocab_size' is 300.*: take the tokenizer of "
    ):
        trainer.train(load("clip", "data.tokenizer={'type': 'sentencepiece'}"), folder, quiet=True)
    assert not folder.exists()  # refused before there is anything to keep
    sizes = ("data.views.image.size=32", "model.towers.image.encoder.image_size=(16, 16)")
    with pytest.raises(
        ConfigError, match=r"views\.image' makes .*the view's size and the encoder's"
    ):
        trainer.train(load("clip", *sizes), folder, quiet=True)
    with pytest.raises(
        ConfigError, match=r"finetune\.py: 'weights': there is no folder or file gone"
    ):
        load("./gone")
    bare = shutil.copytree("weights/clip", tmp_path / "bare")
    (bare / "preprocessor_config.json").unlink()
    with pytest.raises(ConfigError, match=r"does not say .*: give the whole 'data\.views\.image'"):
        load(bare)
    marks = json.loads((bare / "tokenizer.json").read_text())
    marks["post_processor"]["single"] *= 2
    (bare / "tokenizer.json").write_text(json.dumps(marks))
    shutil.copy("weights/clip/preprocessor_config.json", bare)
    with pytest.raises(
        ConfigError, match=r"tokenizer\.json makes .* of 'a': a text view puts at most"
    ):
        load(bare)


def test_a_folder_that_was_there_stays(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="4096"):
        trainer.train(load("clip", "data.batch_size=4096"), tmp_path, quiet=True)
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert not (tmp_path / "config.json").exists()  # so that it is no run


# --- variants ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "family",
    ["siglip", "clap", *(pytest.param(f, marks=pytest.mark.slow) for f in ("clip", "open_clip"))],
)
def test_variants_train_what_they_say(family):
    def trained(variant):
        config = load(family, variant=variant)
        plan = state_lib.plan(config, mesh_lib.make_mesh())
        return set(plan.trained), set(plan.definition.variables)

    whole, _ = trained("full")
    assert {path.split("/")[0] for path in whole} == {"towers", "objectives"}
    updates, _ = trained("lora")
    assert {path.rpartition("/")[2] for path in updates} == {"lora_a", "lora_b"}
    assert {path.split("/")[1] for path in updates} == set(load(family).model.towers)
    heads, _ = trained("head")
    assert heads == {path for path in whole if "/head/" in path} != set()
    text, _ = trained("lit")
    assert text == {path for path in whole if path.startswith(("towers/text/", "objectives/"))}


def data_of(family):
    if family != "clap":
        return ("data.source.path=pictures", "data.source.val_fraction=0.4")
    columns = "data.source.columns={'audio': 'file', 'text': 'caption'}"
    return (
        "data.source.type=manifest",
        "data.source.path=sounds.csv",
        columns,
        "data.source.val_fraction=0.4",
    )


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("variant", ["full", "lora", "head", "lit"])
def test_every_variant_takes_steps(family, variant, tmp_path):
    config = load(family, *data_of(family), "optimizer.learning_rate=1e-2", variant=variant)
    summary = trainer.train(config, tmp_path / "run", quiet=True)
    before = mmjax.load(f"weights/{family}").bundle.arrays
    after = mmjax.load(tmp_path / "run").bundle.arrays
    moved = {path for path in before if not np.allclose(before[path], after[path])}
    plan = state_lib.plan(config, mesh_lib.make_mesh())
    # Trained encoders keep statistics of batches, as in `transformers`; frozen ones do not.
    statistics = plan.definition.kinds(nnx.BatchStat) if variant == "full" else ()
    assert moved <= plan.trained | set(statistics)
    assert summary["step"] == 2
    assert moved or variant == "lora"


# --- the commands of the page -----------------------------------------------------------------


@pytest.fixture(scope="module")
def tuned(home):
    """The run of the page's first command, with fewer steps, and its summary."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        config = load("clip", *data_of("clip"), "evaluate_every=0")
        summary = trainer.train(config, home / "runs" / "RUN", quiet=True)
    return home / "runs" / "RUN", summary


def commands(name):
    return [shlex.split(line) for line in re.findall(rf"^    mmjax {name} (.*)$", PAGE, re.M)]


@pytest.mark.long
def test_every_command_of_the_page_is_valid(tuned):
    export(tuned[0], "tuned", format="hf")
    found = commands("train")
    assert len(found) >= 6
    for name, *words in found:
        assert all(word.startswith("--config.") for word in words)
        recipe_lib.load(name, [word.removeprefix("--config.") for word in words])
    ((workdir, form, out),) = commands("export")
    assert (workdir, form, out) == ("--workdir=runs/RUN", "--format=hf", "--out=tuned")
    # Parity of what the page exports, and of what is trained on from there.
    assert json.loads(Path("tuned/parity.json").read_text())["passed"]
    again = load("./tuned")
    assert again.data.views["image"] == load("clip").data.views["image"]
    assert again.data.tokenizer.build().fingerprint
    shutil.rmtree("tuned")


def test_the_gain_is_in_the_table(tuned):
    run, summary = tuned
    before = {k.removeprefix("start/"): v for k, v in summary.items() if k.startswith("start/")}
    assert set(before) == {k for k in summary if k.startswith("retrieval/")}
    shown = summary_table(summary)
    assert re.search(r"Over the run\n +measure +start +end\n", shown)
    assert "held out, image -> text, R@1" in shown
    # Before the first step it is the folder's model.
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert rows[0]["step"] == 0
    source = (
        load("clip", *data_of("clip")).evaluators["retrieval"]["held_out"].sources["source"].build()
    )
    records, model = [source[i] for i in range(len(source))], mmjax.load("weights/clip")
    image, text = (
        model.encode(**{m: [r[m] for r in records]}, progress=False) for m in ("image", "text")
    )
    right = ((image @ text.T).argmax(axis=1) == np.arange(len(records))).mean()
    assert before["retrieval/held_out/image_to_text/R@1"] == pytest.approx(right)


@pytest.mark.parametrize("form", ["run", "safetensors"])
def test_a_run_and_an_export_of_our_own(tuned, form, tmp_path):
    folder, _ = tuned
    if form == "safetensors":
        folder, _ = export(folder, tmp_path / "own", format=form)
    elsewhere = shutil.copytree(folder, tmp_path / "moved")
    config, first = load(elsewhere), load("clip")
    assert config.data.views == first.data.views
    tokenizer = TOKENIZERS.parse(config.data.tokenizer, "tokenizer", "x").build()
    assert tokenizer.fingerprint == first.data.tokenizer.build().fingerprint
    assert config.data.tokenizer.options["path"] == str(elsewhere / "tokenizer.json")
    weights, plan = started(config)
    assert weights.differing == []
    held = mmjax.load(folder)
    arrays = begun(weights, plan)
    scale = "objectives/terms/info_nce/temperature/log_scale"
    if form == "safetensors":  # whose scale is in the config already
        (term,) = config.objectives.values()
        arrays[scale] = -math.log(term.term.options["temperature"])
    for path, array in held.bundle.arrays.items():
        np.testing.assert_allclose(arrays[path], array, rtol=1e-6)


def test_a_tower_of_a_run(tuned):
    """`init_from` of one tower, without the rest."""
    config = load(
        "siglip",
        f"model.towers.image.init_from={tuned[0]}",
        "data.views.image={'type': 'image', 'size': 16}",
        "objectives={'a': {'type': 'info_nce'}}",
    )
    image = config.model.towers["image"]
    assert image.encoder == recipe_lib.read(tuned[0] / "config.json").model.towers["image"].encoder
    assert image.head.options["dim"] == 12


@pytest.mark.slow
def test_a_run_with_low_rank_updates_is_merged(tmp_path):
    config = load(
        "clip", *data_of("clip"), "evaluators={}", "optimizer.learning_rate=1e-2", variant="lora"
    )
    trainer.train(config, tmp_path / "run", quiet=True)
    run = mmjax.load(tmp_path / "run")
    arrays = begun(*started(load(tmp_path / "run")))
    path = "towers/text/encoder/transformer/blocks/attention/query/kernel"
    lora_a, lora_b = (run.bundle.arrays[path.replace("kernel", n)] for n in ("lora_a", "lora_b"))
    assert np.abs(lora_b).max() > 0
    np.testing.assert_allclose(
        arrays[path], run.bundle.arrays[path] + lora_a @ lora_b, rtol=1e-5, atol=1e-6
    )


def test_an_interrupted_start_is_evaluated_once(tmp_path):
    """Rows of a run that was killed before its first checkpoint are written again."""
    (tmp_path / "metrics.jsonl").write_text('{"step": 0, "a": 1}\n')
    writer = MetricWriter(tmp_path, 0)
    writer.write(0, {"a": 2.0})
    writer.close()
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 0, "a": 2.0}\n'
