"""Segmentation by prototypes: each part by hand, and sides that decide what is found."""

import jax.numpy as jnp
import numpy as np
import pytest

from mmjax.data.synthetic.generated import Columns
from mmjax.evaluators import prototype_masks
from mmjax.evaluators.data import EvalData
from mmjax.evaluators.errors import EvaluationError
from mmjax.evaluators.prototype_masks import Sets, unit
from mmjax.evaluators.segmentation import Segmentation

TOKENS, DIM, CLASSES, ROWS = 9, 8, 6, 8


class Tokens:
    """Embeds what it is given: a vector, or with layer='tokens' its tokens side by side."""

    modalities = ("image", "text")

    def embed(self, modality, values, layer="unit"):
        values = values.reshape(len(values), -1, DIM)
        return unit(values.sum(1)) if layer == "unit" else unit(values).reshape(len(values), -1)


def view(value, rng, train):
    return value.astype(np.float32)


def codes(seed=0):
    """Of the classes, orthogonal, and an offset that all tokens share."""
    basis, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(DIM, DIM)))
    return basis[:CLASSES], basis[CLASSES]


def scenes(classes, seed, text_only=False, known=None):
    """Rows of `classes`: an object over some tokens, and one of another class beside it."""
    rng = np.random.default_rng(seed)
    own, offset = codes()
    fields = {"image": [], "mask": [], "label": [], "role": []}
    for label in classes:
        for row in range(ROWS):
            image = 0.5 * offset + 0.1 * rng.normal(size=(TOKENS, DIM))
            others = [c for c in range(CLASSES) if c != label]
            image[:3] += own[label]
            image[3:6] += own[rng.choice(others)]
            mask = np.where(np.arange(TOKENS) < 3, 0.9, 0.0)
            if text_only and row % 2 == 0:  # the support shows something else
                image[:3] = 0.5 * offset + 0.1 * rng.normal(size=(3, DIM))
            order = rng.permutation(TOKENS)
            fields["image"].append(image[order])
            fields["mask"].append(mask[order].reshape(3, 3))
            fields["label"].append(label)
            fields["role"].append(int(row % 2 == 0))
    return EvalData(Columns("test", "test", fields, ("image",)), {"image": view}, 4)


def names(classes=range(CLASSES)):
    """Texts of a class, two each, with an offset of their own."""
    own, _ = codes()
    gap = np.linalg.qr(np.random.default_rng(0).normal(size=(DIM, DIM)))[0][CLASSES + 1]
    rng = np.random.default_rng(9)
    rows = [(c, own[c] + gap + 0.1 * rng.normal(size=DIM)) for c in classes for _ in range(2)]
    fields = {"text": [v for _, v in rows], "label": [c for c, _ in rows]}
    return EvalData(Columns("texts", "test", fields, ("text",)), {"text": view}, 4)


def found(train, test, gallery=None, **options):
    given = {} if gallery is None else {"gallery": gallery}
    return Segmentation(episodes=6, train_episodes=60, **options)(
        Tokens(), test, train=train, **given
    )


TRAIN, TEST = range(4), range(4, CLASSES)


def test_each_side_finds_new_classes_and_both_do():
    train, test, texts = scenes(TRAIN, 1), scenes(TEST, 2), names()
    for options in (
        {"texts": "none", "visual": "mean"},
        {"texts": "none", "visual": "split", "shots": 2},
        {"texts": "each", "visual": "none"},
        {"texts": "mean", "visual": "none"},
        {"texts": "each", "visual": "split"},
    ):
        metrics = found(train, test, texts if options["texts"] != "none" else None, **options)
        assert metrics["mIoU"] > 0.9, options
        assert metrics["FB-IoU"] > 0.9
        assert metrics["chance"] == pytest.approx(1 / 3)
        assert (metrics["classes"], metrics["episodes"]) == (2, 12)


def test_supports_that_show_nothing_leave_it_to_the_texts():
    train, test = (scenes(c, seed, text_only=True) for c, seed in ((TRAIN, 1), (TEST, 2)))
    role = {"support": "role"}
    blind = found(train, test, texts="none", **role)
    told = found(train, test, names(), **role)
    assert blind["mIoU"] < 0.6 < 0.85 < told["mIoU"]


def test_a_summary_is_largest_and_mean_cosine_with_each_set():
    rng = np.random.default_rng(0)
    tokens = unit(rng.normal(size=(4, DIM)))
    sets = Sets(
        unit(rng.normal(size=(3, DIM))), np.zeros((0, DIM)), unit(rng.normal(size=(1, DIM)))
    )
    got = prototype_masks.summary(tokens, sets)
    for t in range(4):
        inner = [float(tokens[t] @ p) for p in sets.foreground]
        text = float(tokens[t] @ sets.text[0])
        expected = [max(inner), sum(inner) / 3, 0, 0, text, text, 1, 1]
        np.testing.assert_allclose(got[t], expected, atol=1e-12)
    alone = prototype_masks.summary(tokens, Sets(*[np.zeros((0, DIM))] * 2, sets.text))
    np.testing.assert_array_equal(alone[:, [0, 1, 2, 3, 6]], 0)


def test_splitting_finds_the_groups_and_one_centre_is_the_mean():
    rng = np.random.default_rng(0)
    middles = np.eye(DIM)[:3]
    tokens = unit(np.repeat(middles, 5, axis=0) + 0.05 * rng.normal(size=(15, DIM)))
    # Of any start that has a token of each group.
    for seed in range(20):
        start = np.random.default_rng(seed).permutation(15)[:3] // 5
        centres = prototype_masks.split(tokens, 3, np.random.default_rng(seed))
        assert len(centres) == 3
        if len(set(start)) == 3:
            expected = unit(tokens.reshape(3, 5, DIM).mean(1))[start]
            np.testing.assert_allclose(centres, expected, atol=1e-12)
    assert len(prototype_masks.split(tokens[:2], 4, rng)) == 2
    assert prototype_masks.split(tokens[:0], 4, rng).shape == (0, DIM)
    mean = prototype_masks.split(tokens, 1, rng)
    np.testing.assert_allclose(mean, unit(tokens.mean(0, keepdims=True)), atol=1e-12)


def test_the_loss_is_cross_entropy_and_dice():
    rng = np.random.default_rng(0)
    z, m = rng.normal(size=(3, 5)), (rng.random((3, 5)) < 0.5).astype(float)
    p = 1 / (1 + np.exp(-z))
    entropy = -(m * np.log(p) + (1 - m) * np.log(1 - p)).mean()
    dice = [
        1 - (2 * (a * b).sum() + 1) / (a.sum() + b.sum() + 1) for a, b in zip(p, m, strict=True)
    ]
    got = prototype_masks.mask_loss(jnp.asarray(z), jnp.asarray(m))
    np.testing.assert_allclose(got, entropy + np.mean(dice), rtol=1e-5)


def test_overlap_is_of_classes_and_of_both_sides():
    found = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]], bool)
    masks = np.array([[1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]], bool)
    got = prototype_masks.overlap(found, masks, ["a", "a", "b"])
    assert got["mIoU"] == pytest.approx((2 / 4 + 0) / 2)
    assert got["FB-IoU"] == pytest.approx((2 / 5 + 7 / 10) / 2)


def test_a_head_that_drops_sides_works_without_one():
    """Trained with both, asked with one: only what saw it in training can answer."""
    rng = np.random.default_rng(0)
    truth = rng.random((200, 12)) < 0.4
    seen = np.zeros((200, 12, 8))
    for column in (0, 4):  # both sides tell, each with noise of its own
        seen[..., column] = truth - 0.5 + 0.2 * rng.normal(size=truth.shape)
    seen[..., 6:] = 1
    blind = seen.copy()
    blind[..., [0, 1, 2, 3, 6]] = 0
    right = [
        ((prototype_masks.fit(seen, truth, dropped, 0)(blind) > 0) == truth).mean()
        for dropped in (0.0, 0.25)
    ]
    assert right[1] > 0.98
    assert right[1] > right[0]


def test_what_cannot_be_asked():
    train, test = scenes(TRAIN, 1), scenes(TEST, 2)
    with pytest.raises(EvaluationError, match="texts='each' needs a source 'gallery'"):
        found(train, test)
    with pytest.raises(EvaluationError, match="the gallery has no text of '2'"):
        found(train, test, names(TEST))
    with pytest.raises(EvaluationError, match="no class of 'label' has a query and 9 supports"):
        found(train, test, names(), shots=9)
    test.source.fields["mask"][3] = np.zeros(4)
    with pytest.raises(EvaluationError, match=r"'mask' of test test row 3 has 4 numbers.*9 tokens"):
        found(train, test, names())
    for options, said in (
        ({"visual": "none", "texts": "none"}, "leave no prototypes"),
        ({"dropped": 0.6}, "more than all"),
    ):
        with pytest.raises(ValueError, match=said):
            Segmentation(**options)
