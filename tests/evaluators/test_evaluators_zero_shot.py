import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmjax.data import Source
from mmjax.data.records import ClassPrompts
from mmjax.data.sets.emoji import EmojiSource
from mmjax.evaluators import zero_shot
from mmjax.evaluators.data import EvalData, embed
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.zero_shot import ZeroShot


def test_names_as_classes(make_source, views, fake_model):
    metrics = ZeroShot(labels="text")(fake_model(), EvalData(make_source(12), views, 4))
    assert metrics == {
        "top_1": 1,
        "top_5": 1,
        "mean_per_class": 1,
        "macro_F1": 1,
        "chance": 1 / 12,
        "classes": 12,
        "examples": 12,
        "unreadable": 0,
        "unlabelled": 0,
    }


def test_groups_as_classes(make_source, views, fake_model):
    """The model puts `even` at 0, `odd` at 1 and `none`, which no record has, at 9."""
    metrics = ZeroShot(labels="group")(fake_model(), EvalData(make_source(11), views, 4))
    # Images 0 and 1 are at their class, 9 is at the wrong one and so shares the second place;
    # the others are equally far from all three.
    assert metrics["top_1"] == pytest.approx((2 + 8 / 3) / 11)
    assert metrics["mean_per_class"] == pytest.approx(((1 + 5 / 3) / 6 + (1 + 3 / 3) / 5) / 2)
    assert metrics["top_5"] == 1
    assert metrics["chance"] == 1 / 3
    assert metrics["classes"] == 3


def test_how_often_other_classes_are_taken_for_a_target(make_source, views, fake_model):
    """Of the five odd images 1 and 9 are at another class, three are equally far from all."""
    data = EvalData(make_source(11), views, 4)
    metrics = ZeroShot(labels="group", target="even")(fake_model(), data)
    assert metrics["target_rate"] == pytest.approx(3 / 3 / 5)
    data.source.records = data.source.records[:1]
    with pytest.raises(ValueError, match="every item is of the target 'even'"):
        ZeroShot(labels="group", target="even")(fake_model(), data)
    with pytest.raises(ValueError, match="target 'evn' is no class of 'group', such as"):
        ZeroShot(labels="group", target="evn").check(data)


def test_the_worst_group_and_f1(make_source, views, fake_model):
    """Image 0 is right and of the half `a`, all others of `b` share the places."""
    source = make_source(11)
    for number, record in enumerate(source.records):
        record["half"] = "a" if number < 2 else "b"
    source.label_fields = ("group", "half")
    data = EvalData(source, views, 4)
    found = ZeroShot(labels="group", worst_by="half")(fake_model(), data)
    assert found["worst_group"] == pytest.approx((8 / 3) / 9)  # of 9 items one is at another class
    with pytest.raises(ValueError, match=r"no item has the label 'hospital' \(worst_by\)"):
        ZeroShot(labels="group", worst_by="hospital")(fake_model(), data)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 6))
def test_f1_is_that_of_the_nearest_classes(seed, items, classes):
    rng = np.random.default_rng(seed)
    unit, vectors = rng.normal(size=(items, 4)), rng.normal(size=(classes, 4))
    truth, nearest = rng.integers(0, classes, items), (unit @ vectors.T).argmax(1)
    wanted = []
    for each in set(truth.tolist()):
        right = np.sum((truth == each) & (nearest == each))
        wanted.append(2 * right / (np.sum(truth == each) + np.sum(nearest == each)))
    assert zero_shot._macro_f1(unit, vectors, truth, rows=7) == pytest.approx(np.mean(wanted))


def test_a_source_without_a_list_has_the_classes_that_occur(make_source, views, fake_model):
    source = make_source(11)
    source.labels = functools.partial(Source.labels, source)
    metrics = ZeroShot(labels="group")(fake_model(), EvalData(source, views, 4))
    assert metrics["classes"] == 2
    assert metrics["top_1"] == pytest.approx((2 + 9 / 2) / 11)
    evaluator = ZeroShot(labels="group", languages=("de",))
    with pytest.raises(ValueError, match="no names of labels in other languages"):
        evaluator(fake_model(), EvalData(source, views, 4))


def test_templates_are_averaged_and_made_unit_again(make_source, views, fake_model):
    class Seen(fake_model):
        """A text is at its number, and at three times that if it is `an image of` it."""

        def number(self, text):
            return super().number(text) * (3 if text.startswith("an image") else 1)

    model = Seen()
    evaluator = ZeroShot(labels="text", templates=("{}", "an image of {}", "this is {}"))
    data = EvalData(make_source(3), views, 4)
    items = embed(model, data, ("image",))["image"]
    prompts = evaluator.wording.prompts(items, np.array([1, 2]), [1, 2], None, data)
    vectors = evaluator._class_vectors(model, data, prompts)
    expected = np.zeros((2, 16))
    expected[0, [1, 3]] = expected[1, [2, 6]] = np.array([2, 1]) / np.sqrt(5)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert {"item 1", "an image of item 1", "this is item 2"} <= set(model.texts)


def test_several_names_of_a_class(make_source, views, fake_model):
    vectors = ZeroShot(labels="text")._class_vectors(
        fake_model(), EvalData(make_source(3), views, 4), [["1", "2"]]
    )
    np.testing.assert_allclose(vectors[0, [1, 2]], np.sqrt(0.5), atol=1e-6)


def test_synonyms_are_further_names(make_source, views, fake_model):
    class Known(fake_model):
        def number(self, text):
            return 3 if text == "unpaired" else super().number(text)

    data, model = EvalData(make_source(11), views, 4), Known()
    evaluator = ZeroShot(labels="group", synonyms={"odd": ("unpaired",)})
    metrics = evaluator(model, data)
    assert "unpaired" in model.texts
    # Images 0, 1 and 3 are nearest to their class, 9 to a wrong one, all others to none.
    assert metrics["top_1"] == pytest.approx((3 + 7 / 3) / 11)
    with pytest.raises(ValueError, match="synonyms of 'od', which is no class of 'group'"):
        ZeroShot(labels="group", synonyms={"od": ("unpaired",)})(model, data)


def test_languages(make_source, views, fake_model):
    class Bilingual(fake_model):
        def number(self, text):
            known = {"eine Gruppe gerade": 0, "eine Gruppe ungerade": 1, "eine Gruppe keine": 9}
            return known[text] if text in known else 5 if text == "gerade" else super().number(text)

    source = make_source(11)
    source.records = source.records[:2]
    model = Bilingual()
    evaluator = ZeroShot(
        labels="group", languages=("en", "de"), templates_by_language={"de": ("eine Gruppe {}",)}
    )
    metrics = evaluator(model, EvalData(source, views, 4))
    assert metrics["en/top_1"] == metrics["de/top_1"] == metrics["top_1"] == 1
    assert "eine Gruppe gerade" in model.texts
    assert "even" in model.texts

    metrics = ZeroShot(labels="group", languages=("en", "de"))(model, EvalData(source, views, 4))
    # Without its template no German name is near: three equal classes.
    assert metrics["de/top_1"] == pytest.approx(1 / 3)
    assert metrics["top_1"] == pytest.approx((1 + 1 / 3) / 2)


def test_unlabelled_items_are_counted(make_source, views, fake_model):
    source = make_source(10)
    del source.records[4]["group"]
    metrics = ZeroShot(labels="group")(fake_model(), EvalData(source, views, 4))
    assert (metrics["examples"], metrics["unlabelled"]) == (9, 1)


def test_errors(make_source, views, fake_model):
    data = EvalData(make_source(10), views, 4)
    with pytest.raises(ValueError, match="label 'colour'; the records have group,"):
        ZeroShot(labels="colour")(fake_model(), data)
    for template in ("no name", "{} and {}", "{name}", "{"):
        with pytest.raises(ValueError, match="exactly one"):
            ZeroShot(labels="group", templates=(template,))
    with pytest.raises(ValueError, match="no templates for de"):
        ZeroShot(labels="group", templates_by_language={"de": ()})
    with pytest.raises(ValueError, match="set the language there"):
        ZeroShot(labels="text", languages=("de",))

    data.source.records[3]["group"] = "prime"
    with pytest.raises(ValueError, match="'group' 'prime', which is not among the names"):
        ZeroShot(labels="group")(fake_model(), data)


def test_emoji_groups(views, fake_model):
    """The source of the package lists its classes as this evaluator reads them."""
    source = EmojiSource(split="new_style_new_concepts")
    views["image"] = lambda value, rng, train: np.zeros(2, np.float32)
    views["text"] = lambda value, rng, train: np.array(list(value.encode()[:24].ljust(24)))
    evaluator = ZeroShot(labels="group", languages=("en", "de"))
    metrics = evaluator(fake_model(), EvalData(source, views, 64))
    assert metrics["classes"] == 9
    assert metrics["examples"] == len(source)
    assert metrics["unlabelled"] == 0


def test_groups_of_classes_are_told_among_themselves(make_source, views, fake_model):
    """Ids are classes, and the model confuses 3 with 9, of another group, and 7 with 8."""

    class Confused(fake_model):
        def number(self, text):
            return {"item 9": 3, "item 7": 8}.get(text, super().number(text))

    groups = {"low": tuple(range(5)), "high": (5, 6, 7, 8, 9)}
    data = EvalData(make_source(10), views, 4)
    metrics = ZeroShot(labels="text", groups=groups)(Confused(), data)
    low, high = metrics["low/top_1"], metrics["high/top_1"]
    assert low == 1
    assert 0 < high < 1
    assert metrics["low/chance"] == metrics["high/chance"] == 1 / 5
    assert metrics["harmonic_mean"] == pytest.approx(2 * high / (1 + high))
    assert metrics["top_1"] < (low + high) / 2  # among all classes 3 is confused, too
    one = ZeroShot(labels="group", groups={"parity": ("even", "odd")})
    metrics = one(fake_model(), EvalData(make_source(11), views, 4))
    assert metrics["parity/chance"] == 1 / 2 > metrics["chance"]
    assert "harmonic_mean" not in metrics


def test_a_group_may_be_told_by_another_layer(make_source, views, fake_model):
    class Layered(fake_model):
        def embed(self, modality, array, layer="unit"):
            unit = super().embed(modality, array)
            return unit if layer == "unit" else unit[:, ::-1] if modality == "text" else unit

    groups = {"low": (0, 1, 2), "high": (3, 4, 5)}
    data = EvalData(make_source(6), views, 4)
    evaluator = ZeroShot(labels="text", groups=groups, group_layers={"high": "other"})
    metrics = evaluator(Layered(), data)
    assert metrics["low/top_1"] == metrics["top_1"] == 1
    assert metrics["high/top_1"] < 1


def test_every_text_of_a_class_is_a_name(make_source, views, fake_model):
    for names, known in (("first", {"item 1"}), ("all", {"item 1", "thing 1"})):
        model = fake_model()
        ZeroShot(labels="text", names=names)(model, EvalData(make_source(3), views, 4))
        assert {text for text in model.texts if text.endswith("1")} == known


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"groups": {"a": ("even",)}}, "needs at least 2 classes"),
        ({"groups": {"a": ("even", "prime")}}, "groups.a names the class 'prime'"),
        ({"groups": {"a": ("none", "even")}, "group_layers": {"b": "unit"}}, "'b', which is none"),
    ],
)
def test_groups_that_do_not_fit(make_source, views, fake_model, options, said):
    with pytest.raises(ValueError, match=said):
        ZeroShot(labels="group", **options)(fake_model(), EvalData(make_source(10), views, 4))


def test_prompts_of_each_class_in_place_of_templates(make_source, views, fake_model):
    data, own = (
        EvalData(make_source(6), views, 4),
        {"even": ("0", "2"), "odd": ("1",), "none": ("7",)},
    )
    model = fake_model()
    metrics = ZeroShot(labels="group", prompts=own)(model, data)
    assert metrics["classes"] == 3
    assert set(model.texts) == {"0", "1", "2", "7"}
    for prompts, said in (({"even": ("0",), "none": ("7",)}, "none for the class 'odd'"),
                          ({**own, "other": ("3",)}, "'other', which is no class")):  # fmt: skip
        with pytest.raises(EvaluationError, match=said):
            ZeroShot(labels="group", prompts=prompts)(model, data)
    with pytest.raises(ValueError, match="leave out templates"):
        ZeroShot(labels="group", prompts=own, templates=("a {}",))
    with pytest.raises(ValueError, match="'even' has no prompts"):
        ZeroShot(labels="group", prompts={"even": ()})


def test_a_source_may_have_prompts_of_its_own(make_source, views, fake_model):
    source = make_source(6)
    told = [ClassPrompts("even", "zero", ["0", "2"]), ClassPrompts("odd", "one", ["1"])]
    source.prompts = lambda field: told if field == "group" else None
    for options, expected in (
        ({}, {"0", "1", "2"}),
        ({"templates": ("4 {}",)}, {"4 zero", "4 one"}),
        ({"synonyms": {"odd": ("5",)}}, {"zero", "one", "5"}),
    ):

        class Named(fake_model):
            def number(self, text):
                return len(text)

        model = Named()
        ZeroShot(labels="group", **options)(model, EvalData(source, views, 4))
        assert set(model.texts) == expected


def test_classes_of_one_name_are_refused(make_source, views, fake_model):
    source = make_source(3)
    source.records[2]["text"] = ["item 0"]
    with pytest.raises(EvaluationError, match="row 0 and row 2 have the same name 'item 0'"):
        ZeroShot(labels="text")(fake_model(), EvalData(source, views, 4))
