"""Generated data: the formulas' moments, splits of one world, and layouts for retrieval."""

import inspect
import pickle

import numpy as np
import pytest

from mmjax.data import TrainData
from mmjax.data.registry import SOURCES
from mmjax.data.synthetic.generated import Generated, unit
from mmjax.data.views import LabelView, SequenceView, VectorView
from mmjax.errors import ConfigError

NAMES = sorted(n for n, s in SOURCES.items() if inspect.isclass(s) and issubclass(s, Generated))


def splits(name):
    annotation = inspect.signature(SOURCES[name].__init__).parameters["split"].annotation
    return annotation.split("'" if "'" in annotation else '"')[1::2]


# What a source has to be told before all of its splits are there.
WITH_ALL_SPLITS = {"digits": {"validation": True}}


def make(name, **options):
    # An index is of all topics.
    few = {} if options.get("split") == "index" else {"examples": 40}
    return SOURCES[name](**{**few, **WITH_ALL_SPLITS.get(name, {}), **options})


@pytest.mark.parametrize("name", NAMES)
def test_rows_are_the_same_again_and_other_worlds_differ(name):
    assert len(splits(name)) >= 2
    for split in splits(name):
        source, again, other = (make(name, split=split, seed=s) for s in (0, 0, 1))
        assert len(source) >= 40
        assert name in source.describe()
        row = pickle.loads(pickle.dumps(source))[len(source) - 1]
        assert 0 <= row["id"] < source.id_limit
        different = False
        for field in (*source.modalities, *source.label_fields):
            if field in row:
                first = np.asarray(row[field])
                np.testing.assert_array_equal(first, np.asarray(again[len(source) - 1][field]))
                theirs = np.asarray(other[len(source) - 1].get(field))
                different |= first.shape != theirs.shape or not np.array_equal(first, theirs)
        if name not in ("xor", "parity"):  # whose single rows may well be equal
            assert different


@pytest.mark.parametrize("name", NAMES)
def test_what_makes_no_sense_is_refused(name):
    with pytest.raises(ValueError, match="examples"):
        make(name, examples=0)
    with pytest.raises(ValueError, match="split is 'dev'"):
        make(name, split="dev")


def column_of(source, field):
    return [source[i][field] for i in range(len(source))]


def column(source, field):
    return np.stack(column_of(source, field))


def test_a_class_looks_the_same_in_every_split():
    """The world is one: a nearest class mean fitted on one split works on another."""
    for name, field, fitted, tested in (
        ("attribute_classes", "x", "train", "test"),
        ("grouped_classes", "skeleton", "train", "probe"),
        ("nuisance_pairs", "text", "train", "tune"),
    ):
        options = {"classes": 8} if name == "grouped_classes" else {}
        a, b = (make(name, split=s, examples=600, **options) for s in (fitted, tested))
        x, y, z, truth = column(a, field), column(a, "label"), column(b, field), column(b, "label")
        names = np.unique(y)
        means = np.stack([x[y == c].mean(0) for c in names])
        answer = names[((z[:, None] - means) ** 2).sum(-1).argmin(1)]
        assert (answer == truth).mean() > 0.6, name


def test_xor_and_parity_hold_and_their_test_lays_out_candidates():
    source = make("xor", p=1.0, dim=3, examples=200)
    a, b, c = (column(source, m) for m in "abc")
    np.testing.assert_array_equal(c, (a + b) % 2)
    np.testing.assert_array_equal(column(make("xor", p=0.0), "a"), column(make("xor", p=0.0), "c"))
    mixed = make("xor", p=0.5, dim=5, examples=2000)
    same = (column(mixed, "c") == column(mixed, "a")).all(1).mean()
    assert 0.45 < same < 0.6  # one half, and rows whose b is zero
    parity = make("parity")
    bits = np.concatenate([column(parity, m) for m in "abcdefgh"], axis=1)
    assert not (bits.sum(1) % 2).any()

    test = make("xor", split="test", p=1.0, dim=3)
    assert len(test) == 8 + 40
    for i in range(8):
        assert set(test[i]) == {"id", "key", "b"}
        assert test[i]["id"] == i == test[i]["b"] @ [1, 2, 4]
    for i in range(8, 48):
        row = test[i]
        assert row["id"] == ((row["a"] + row["c"]) % 2) @ [1, 2, 4]
        assert "b" not in row


def test_frozen_vectors_of_classes_come_first_and_queries_have_their_class_as_id():
    source = make("frozen_clusters", split="classes", classes=5)
    assert [source[i]["id"] for i in range(5)] == list(range(5))
    assert all("trained" not in source[i] for i in range(5))
    test = make("frozen_clusters", split="test", classes=5)
    for i in range(40):
        assert source[5 + i]["id"] == test[i]["label"]
        np.testing.assert_array_equal(source[5 + i]["trained"], test[i]["trained"])
    np.testing.assert_allclose(np.linalg.norm(column(test, "frozen"), axis=1), 1, rtol=1e-5)


def test_two_views_of_an_action_are_two_utterances_of_one_label():
    source = make("named_actions", examples=300)
    row = source[0]
    mates = [i for i in range(300) if source[i]["label"] == row["label"]]
    assert len(row["x"]) == len(mates) > 1
    views = {"x": VectorView(dim=128), "x@2": VectorView(dim=128), "label": LabelView()}
    batch = TrainData(source, views, batch_size=64, seed=0)[0]
    assert (batch["x"] != batch["x@2"]).any(1).mean() > 0.5
    assert set(batch["label"].tolist()) <= set(range(60))
    names = column(source, "name")
    cosine = names @ names.T
    same = column(source, "action")
    same = same[:, None] == same[None, :]
    assert cosine[same].min() > 0.5 > np.abs(cosine[~same]).mean()


def test_scenes_and_captions_hold_their_three_concepts():
    source = make("concept_sets", examples=200)
    view = SequenceView(length=6, dim=32)
    lengths = [len(source[i]["text"]) for i in range(200)]
    assert set(lengths) == {3, 4, 5, 6}
    batch = np.stack([view(source[i]["text"], None, False) for i in range(200)])
    np.testing.assert_array_equal((batch != 0).any(2).sum(1), lengths)
    # A word is fixed: that of a concept is in every caption of a sample with it.
    by_concept = {}
    for i in range(200):
        for concept in source[i]["concepts"]:
            words = {tuple(w) for w in source[i]["text"].tolist()}
            by_concept.setdefault(concept, []).append(words)
    for captions in by_concept.values():
        if len(captions) > 5:
            assert set.intersection(*captions)
    test = make("concept_sets", split="test", examples=300)
    assert len({test[i]["id"] for i in range(300)}) == 300


def test_blocks_see_their_part_of_the_latent():
    source = make("latent_blocks", examples=4000, noise=(0.0, 0.0, 0.0))
    t, v, a = (column(source, m).astype(float) for m in "tva")
    for one, other, rank in ((t, v, 8), (t, a, 8), (v, a, 4)):
        both = np.linalg.matrix_rank(np.concatenate([one, other], 1), tol=1.0)
        ranks = [np.linalg.matrix_rank(x, tol=1.0) for x in (one, other)]
        assert sum(ranks) - both == rank
    # The label is the largest of a linear map of the latent, and so of t.
    guess = np.linalg.lstsq(t, np.eye(10)[column(source, "label")], rcond=1e-6)[0]
    assert ((t @ guess).argmax(1) == column(source, "label")).mean() > 0.7


def test_labels_are_no_modality_and_two_concepts_are_different():
    source = make("concept_pairs")
    assert source.modalities == ("image", "text")
    assert set(source.label_fields) == {"label", "concepts"}
    concepts = column(source, "concepts")
    np.testing.assert_array_equal(concepts.sum(1), 2)
    assert (concepts[np.arange(40), column(source, "label")] == 1).all()


def test_noise_is_fixed_and_of_its_deviation():
    clean, noisy = (make("noisy_instances", examples=500, noise=n) for n in (0.0, 0.5))
    difference = column(noisy, "x") - column(clean, "x")
    assert difference.std() == pytest.approx(0.5, rel=0.02)
    np.testing.assert_array_equal(column(clean, "label"), column(noisy, "label"))


def test_domains_are_parts_of_two_related_worlds():
    a, b, both = (make("domain_pairs", domain=d, examples=2000) for d in ("a", "b", "both"))
    assert len(both) == 4000
    np.testing.assert_array_equal(column(both, "image")[:2000], column(a, "image"))
    np.testing.assert_array_equal(column(both, "text")[2000:], column(b, "text"))
    np.testing.assert_array_equal(np.unique(column(both, "label"), return_counts=True)[1], 2000)
    parts = [make("domain_pairs", domain="b", examples=2000, part=i, parts=4) for i in range(4)]
    joined = np.concatenate([column(part, "image") for part in parts])
    np.testing.assert_array_equal(joined, column(b, "image"))
    # The maps of the domains have a cosine of 0.6: of 8 latents, what a linear fit finds.
    rng = np.random.default_rng([0, 0, 0])
    z = rng.standard_normal((2000, 8), np.float32)
    first = np.linalg.lstsq(z, np.arctanh(np.clip(column(a, "image"), -0.99, 0.99)), rcond=None)[0]
    rng = np.random.default_rng([0, 0, 1])
    z = rng.standard_normal((2000, 8), np.float32)
    second = np.linalg.lstsq(z, np.arctanh(np.clip(column(b, "image"), -0.99, 0.99)), rcond=None)[0]
    cosine = (first * second).sum() / np.linalg.norm(first) / np.linalg.norm(second)
    assert cosine == pytest.approx(0.6, abs=0.1)
    with pytest.raises(ValueError, match="part=4 must be one of 4 parts"):
        make("domain_pairs", part=4, parts=4)


def test_later_languages_are_translated_worse():
    source = make("translations", examples=2000)
    image = column(source, "image")
    errors = []
    for k in range(1, 7):
        text = np.arctanh(np.clip(column(source, f"text_{k}"), -0.999, 0.999))
        fit = text @ np.linalg.lstsq(text, image, rcond=None)[0]
        errors.append(((fit - image) ** 2).mean())
    assert errors == sorted(errors)
    assert errors[-1] > 1.5 * errors[0]


def test_a_part_of_noisy_captions_is_of_other_pictures_or_half_random():
    clean, other, half = (
        make("noisy_captions", examples=1500, **noise)
        for noise in ({}, {"mismatched": 1.0}, {"garbled": 1.0})
    )
    for source in (clean, other, half):
        np.testing.assert_allclose(column(source, "text").sum(1), 1, rtol=1e-5)

    def explained(source):
        """How much of the captions the images tell."""
        x, y = column(source, "image"), column(source, "text")
        x, y = x - x.mean(0), y - y.mean(0)
        fit = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        return 1 - ((fit - y) ** 2).sum() / (y**2).sum()

    values = [explained(source) for source in (other, half, clean)]
    assert values == sorted(values)
    assert values[0] < 0.1 < values[2]
    # Sets of another size are drawn afresh.
    few = make("noisy_captions", examples=500)
    assert not np.array_equal(column(few, "image"), column(clean, "image")[:500])


def test_views_of_a_latent_share_it_and_nothing_else():
    views = {
        "a": {"form": "identity", "noise": 0.5},
        "b": {"form": "linear", "dim": 30, "nuisance": 4, "nuisance_scale": 3.0, "gain": 2.0},
        "c": {"form": "linear", "dim": 30, "of": 2},
    }
    spec = SOURCES.spec("latent_views", latent=6, views=views, examples=3000)
    source = spec.build()
    assert source.modalities == ("a", "b", "c")
    a, b, c, quadrant = (column(source, name) for name in ("a", "b", "c", "quadrant"))
    assert np.std(a) == pytest.approx(np.hypot(1, 0.5), rel=0.05)
    # Six dimensions of the latent and four of its own; c sees two of the latent.
    assert [np.linalg.matrix_rank(x, tol=1e-2) for x in (b, c)] == [10, 2]
    assert b.var(0).mean() == pytest.approx(4 * (6 + 4 * 9) / 10, rel=0.4)
    clean = SOURCES.spec("latent_views", latent=6, views={"a": {"form": "identity"}}).build()
    z = column(clean, "a")
    np.testing.assert_array_equal(column(clean, "quadrant"), 2 * (z[:, 0] > 0) + (z[:, 1] > 0))
    assert set(quadrant) == {0, 1, 2, 3}
    clustered = SOURCES.spec(
        "latent_views", clusters=5, spread=0.1, views={"a": {"form": "identity"}}, examples=500
    ).build()
    x, label = column(clustered, "a"), column(clustered, "label")
    assert x[label == 2].std(0).mean() == pytest.approx(0.1, rel=0.1)
    with pytest.raises(ValueError, match=r"views\.a\.of=9 is more than latent=6"):
        SOURCES.spec("latent_views", latent=6, views={"a": {"of": 9}}).build()
    with pytest.raises(ValueError, match="names no modality"):
        SOURCES.spec("latent_views", views={}).build()


def test_a_latent_is_seen_again_with_another_nuisance():
    view = {"dim": 12, "form": "linear", "nuisance": 4, "noise": 0.1, "repeats": 1000}
    source = SOURCES.spec("latent_views", latent=3, views={"a": view}, examples=40).build()
    seen = np.array([source[i]["a"] for i in range(len(source))])
    assert seen.shape == (40, 1000, 12)
    # What all views of a row have in common is the latent's: three directions, not seven.
    means = seen.mean(axis=1)
    values = np.linalg.svd(means - means.mean(axis=0), compute_uv=False)
    assert values[3] < 0.2 * values[2]
    assert np.linalg.matrix_rank((seen - means[:, None]).reshape(-1, 12)) == 12


def test_mixtures_are_of_their_words():
    vocabulary = make("word_mixtures", split="vocabulary")
    table = np.stack([vocabulary[i]["text"] for i in range(len(vocabulary))])
    np.testing.assert_allclose(table.std(0), 1, rtol=1e-4)
    source = make("word_mixtures", examples=300, noise=0.0, gap=0.0)
    rows = [source[i] for i in range(300)]
    for row in rows[:3]:
        np.testing.assert_array_equal(np.stack(row["text"]), table[row["words"]])
    mean, image = (np.stack(x) for x in ([np.mean(r["text"], 0) for r in rows],
                                         [r["image"] for r in rows]))  # fmt: skip
    m = np.linalg.lstsq(mean, image, rcond=None)[0]
    np.testing.assert_allclose(mean @ m, image, atol=1e-4)
    scales = np.linalg.svd(m)[1]
    assert scales.max() / scales.min() > 10  # far from orthogonal
    with pytest.raises(ValueError, match="words=9 is more than vocabulary=3"):
        make("word_mixtures", vocabulary=3, words=9)


def test_captions_of_a_database_are_near_their_main_word():
    words = make("caption_database", split="vocabulary")
    table = np.stack([words[i]["text"] for i in range(len(words))])
    captions, images = (
        make("caption_database", split=s, examples=200) for s in ("captions", "test")
    )
    rows = [captions[i] for i in range(200)]
    cosines = np.stack([row["text"] @ table[row["words"]].T for row in rows])
    assert (cosines.argmax(1) == 0).mean() > 0.95
    assert np.median(cosines[:, 1:4]) > np.median(cosines[:, 4])
    label = column(images, "word")
    found = (column(images, "image") @ table.T).argmax(1) == label
    assert 0.4 < found.mean() < 0.95
    assert len(set(label)) <= 100


def test_captions_of_classes_have_their_words_and_images_their_code():
    source = make("worded_classes", examples=400)
    row = source[0]
    assert len(row["image"]) == 8
    own = set(row["text"].split()) & set(row["name"].split())
    assert (len(own), len(row["text"].split()), len(row["name"].split())) == (3, 6, 4)
    draws = np.stack([np.stack(source[i]["image"]) for i in range(400)])
    within = draws.std(1).mean()
    assert within > 0.3  # the nuisance
    assert draws.mean(1).std(0).mean() > 0.3 * within  # and the class


def test_captions_with_slots_mostly_have_no_modifier_or_that_of_their_class():
    def said(**options):
        source = make("slot_captions", examples=3000, **options)
        rows = [source[i] for i in range(len(source))]
        words = [row["text"].split() for row in rows]
        assert all(" ".join(w[2:4]) == row["name"] for w, row in zip(words, rows, strict=True))
        slots = [[w for w in (*own[:2], *own[4:]) if w != "plain"] for own in words]
        assert all(len(set(own)) == len(own) for own in slots)
        return rows, slots

    rows, slots = said()
    counts = np.bincount([len(own) for own in slots])
    np.testing.assert_allclose(counts / 3000, [0.5, 0.5], atol=0.03)
    modifiers = {name: [] for name in sorted({row["name"] for row in rows})}
    for row, own in zip(rows, slots, strict=True):
        modifiers[row["name"]] += own
    shares = [max(map(own.count, own)) / len(own) for own in modifiers.values()]
    assert len(modifiers) == 64
    assert np.mean(shares) == pytest.approx(0.6 + 0.4 / 20, abs=0.05)
    for many in (said(varied=1.0), said(split="test")):
        counts = np.bincount([len(own) for own in many[1]])
        np.testing.assert_allclose(counts / 3000, np.full(5, 0.2), atol=0.03)
    images = np.stack([row["image"] for row in rows]).reshape(-1, 16, 16, 3)
    reds = images[[row["name"].startswith("red") for row in rows]]
    assert reds[..., 0].mean() > 0.1
    assert np.abs(reds[..., 1:].mean()) < 0.01
    assert images[:, 0].std() == pytest.approx(0.15, abs=0.01)


@pytest.mark.parametrize("linear", [0, 8, 16])
def test_spaces_are_linearly_related_in_so_many_dimensions(linear):
    source = make("partly_linear", examples=4000, linear=linear)
    x, y = (column(source, name) for name in ("image", "text"))
    fit = x @ np.linalg.lstsq(x, y, rcond=None)[0]
    explained = 1 - ((y - fit) ** 2).sum() / (y**2).sum()
    # Of every linear dimension what noise of .2 on both sides leaves.
    assert explained == pytest.approx(linear / 16 / 1.04**2, abs=0.03)


def test_transcripts_of_lectures_err_in_their_own_ways():
    source = make("lecture_clips", examples=3000)
    rows = [source[i] for i in range(len(source))]
    assert len({row["step"] for row in rows}) == 40

    def has(field, k):
        return np.mean([row["step"].split()[k] in row[field].split() for row in rows])

    assert has("text", 0) == pytest.approx(0.9, abs=0.02)
    assert has("text", 1) == pytest.approx(0.1, abs=0.02)
    for field in ("text@2", "text@3"):  # about the step with .3, or by chance
        assert 0.09 <= has(field, 0) < 0.2
        assert 0.27 <= has(field, 1) < 0.45
    clips = np.stack([row["video"] for row in rows])
    assert np.std(clips - clips.mean(1, keepdims=True)) == pytest.approx(0.5 * 0.75**0.5, rel=0.02)


def test_signals_show_what_their_text_says():
    source, flat = (make("anchored_signals", flat=flat) for flat in (False, True))
    for i in range(40):
        row = source[i]
        u, v, w, p, q = (int(word[1]) for word in row["text"].split())
        assert row["shared"] == row["text"].split()[:3]
        rows = row["xray"][:, [2, 6, 10, 14]].argmax(0)
        assert np.abs(rows - (1 + 2 * np.array([u, v, w, p]))).max() <= 1
        spike = row["ecg"].mean(0)
        assert abs(np.abs(np.diff(spike)).argmax() - (6 + 12 * q)) <= 2
        np.testing.assert_array_equal(flat[i]["xray"], row["xray"].ravel())
        np.testing.assert_array_equal(flat[i]["ecg"], row["ecg"].ravel())


def test_regions_are_where_and_what_their_organ_is():
    source = make("organ_regions", examples=800)
    rows = [source[i] for i in range(800)]
    features = np.stack([row["region"] for row in rows])
    organs = np.array([row["concept"] for row in rows])
    scans = organs.reshape(-1, 4)
    assert all(len(set(scan)) == 4 for scan in scans)
    counts = np.bincount(organs, minlength=24)
    assert counts[:4].sum() > counts[12:].sum()
    mr = np.array([row["text"][0].endswith(" mr") for row in rows])
    for organ in range(3):
        dark, bright = (features[(organs == organ) & of, 0].mean() for of in (mr, ~mr))
        assert dark == pytest.approx(bright / 2, abs=0.06)
        definition = {row["text@definition"] for row in rows if row["concept"] == organ}
        assert len(definition) == 1
    head = make("organ_regions", examples=800, part="head")
    assert [head[i]["id"] for i in range(len(head))] == organs[organs < 4].tolist()
    dark = make("organ_regions", examples=800, part="tail", scans="mr")
    assert [dark[i]["id"] for i in range(len(dark))] == organs[(organs >= 12) & mr].tolist()
    assert source.labels("organ")[5] == "organ5a"
    assert source.labels("scan") is None


def test_token_classes_have_names_that_say_what_images_show():
    source = make("token_classes", split="test", examples=None)
    y, images, names = (column(source, name) for name in ("label", "image", "text"))
    assert np.bincount(y).tolist() == [40] * 40
    assert [source[i]["id"] for i in range(80)] == y[:80].tolist()
    assert len({(k, name) for k, name in zip(y, names, strict=True)}) == 40
    same = make("token_classes", split="test", examples=None, own=0.0, turned=0.0)
    mean = np.stack([column(same, "image")[y == k].mean(0) for k in range(40)])
    # Words are levels of the latent, which the images show through smooth maps.
    level = np.array([[int(word[1]) for word in names[k].split()] for k in range(40)])
    assert level.shape == (40, 10)
    assert 2.5 < level.mean() < 4.5
    near = np.abs(level[:, None] - level[None]).sum(-1)[np.triu_indices(40, 1)]
    apart = ((mean[:, None] - mean[None]) ** 2).sum((-1, -2))[np.triu_indices(40, 1)]
    assert np.corrcoef(near, apart)[0, 1] > 0.5
    assert ((images - column(same, "image")) ** 2).mean() > 0.1  # the other domain
    train = column(make("token_classes", split="train", examples=None), "label")
    assert np.bincount(train).tolist() == [8] * 20
    before = make("token_classes", split="pretrain", examples=50)
    assert not {*column(before, "text")} & {*names}


def test_swapped_scenes_have_the_same_bag_and_another_binding():
    source = make("bound_pairs", examples=400, binding=0.0)
    image, swapped = (column(source, name) for name in ("image", "image_swapped"))
    # Without a binding all that differs is the noise, of 0.05 before tanh.
    assert 0.03 < np.abs(image - swapped).mean() < 0.06
    bound = make("bound_pairs", examples=400, binding=1.0)
    assert np.abs(column(bound, "image") - column(bound, "image_swapped")).mean() > 0.2
    ids, others = (np.array([r[n] for r in source]) for n in ("id", "swapped"))
    assert (ids != others).all()
    rows = make("bound_pairs", examples=400, siblings="rows")
    assert len(rows) == 800
    assert rows.modalities == ("image", "text")
    for k in range(0, 800, 40):
        assert rows[k]["swapped"] == rows[k + 1]["id"]
        assert rows[k]["id"] == rows[k + 1]["swapped"]
    fields = make("bound_pairs", examples=400)
    np.testing.assert_array_equal(rows[7]["text"], fields[3]["text_swapped"])


def test_mentions_are_of_entities_of_the_gallery():
    test, train = (make("entities", split=s, examples=200) for s in ("test", "train"))
    gallery = SOURCES["entities"](split="gallery")
    assert gallery.modalities == ("entity_text", "entity_image")
    assert {r["id"] for r in test} == set(range(1000, 1100))
    assert {r["id"] for r in train} == set(range(100))
    for record in (*test, *train):
        entry = gallery[record["id"]]
        np.testing.assert_array_equal(record["entity_text"], entry["entity_text"])
    lacking = sum("image" not in r for r in (*test, *train)) / 400
    assert 0.2 < lacking < 0.4
    assert test.may_lack == ("image",)
    # Two mentions of one entity differ by noise of 0.3 each.
    both = column(test, "text").reshape(100, 2, 32)
    assert (both[:, 0] - both[:, 1]).std() == pytest.approx(0.3 * np.sqrt(2), rel=0.05)


def test_persons_have_several_rows_and_those_of_a_test_are_others():
    train, test = (
        make("identities", split=s, examples=n) for s, n in (("train", 80), ("test", 40))
    )
    np.testing.assert_array_equal(column(train, "identity"), np.arange(80) // 20)
    np.testing.assert_array_equal(column(test, "identity"), np.arange(40) // 4)
    for name in ("image", "text"):
        x = column(train, name).reshape(4, 20, 64)
        # Half of what is seen is the person, half of its own nuisance.
        between, within = x.mean(1).std(0).mean(), x.std(1).mean()
        assert 0.2 < between < 0.6
        assert within > 0.4
        assert np.abs(x[0].mean(0) - column(test, name)[:4].mean(0)).max() > 0.5
    with pytest.raises(ValueError, match="80 rows are no multiple of per=3"):
        make("identities", examples=80, per=3)


def test_facts_are_spelled_in_two_ways_that_share_nothing():
    scenes, pairs = make("spelled_facts"), make("spelled_facts", split="pairs", examples=400)
    assert scenes.modalities == ("image", "text")
    assert pairs.modalities == ("text", "text_2")
    first, second = (
        {w for t in column_of(pairs, f) for w in t.split()} for f in ("text", "text_2")
    )
    assert len(first & second) <= 8  # fillers, and what was cut
    score = np.asarray(column(pairs, "score"))
    np.testing.assert_allclose(np.bincount(np.round(3 * score).astype(int)) / 400, 0.25, atol=0.08)
    texts = column_of(scenes, "text")
    assert all(len(t) == 3 and all(0 < len(own) <= 40 for own in t) for t in texts)
    # Images of scenes in which a fact is common are closer: codes are nearly orthogonal.
    x = column(scenes, "image")
    assert np.abs((x**2).sum(1) - 1 / 3).mean() < 0.06
    permuted = column(make("spelled_facts", permuted=True), "image")
    assert (np.abs(permuted - x).max(1) > 0.1).mean() > 0


def test_unlabelled_items_have_alternatives_that_redraw_their_distortion():
    unlabelled = make("domain_gap", split="unlabelled", examples=200)
    x = np.array(column_of(unlabelled, "audio"))
    assert x.shape == (200, 8, 80)
    share = x.std(1).mean() / x.std((0, 1)).mean()
    kept = make("domain_gap", split="unlabelled", examples=200, redrawn=0, generic=True)
    same = np.array(column_of(kept, "audio"))
    assert np.ptp(same, axis=1).max() == 0
    assert share > 0.5
    clean, far = (column(make("domain_gap", split=s), "score") for s in ("real_audio", "real"))
    assert far.std() > clean.std()
    with pytest.raises(ConfigError, match="redrawn' should be"):
        SOURCES.spec("domain_gap", redrawn=11)


def test_ego_graphs_have_texts_in_a_cone_and_domains_that_turn_some_numbers():
    source = make("ego_graphs", split="adapted", examples=None)
    labels, texts = column(source, "label"), column(source, "text")
    assert sorted(set(labels)) == list(range(10))
    np.testing.assert_allclose(np.linalg.norm(texts, axis=1), 1, rtol=1e-6)
    same = labels[:, None] == labels[None, :]
    cosine = texts @ texts.T
    # Two unit parts, one of them shared: 1/2 between classes whose own parts are orthogonal.
    assert cosine[~same].mean() == pytest.approx(0.5, abs=0.1)
    assert cosine[same].mean() > 0.85
    nodes = np.array([np.asarray(row["features"]) for row in column_of(source, "graph")])
    hidden = (nodes[:, 0] == 0).all(1)
    assert 0.4 < hidden.mean() < 0.6
    near = np.stack([nodes[~hidden][labels[~hidden] == c, 0].mean(0) for c in range(10)])
    far = np.stack([nodes[labels == c, 1:].mean((0, 1)) for c in range(10)])
    # Half of the neighbours are of the class.
    np.testing.assert_allclose(far - far.mean(0), 0.5 * (near - near.mean(0)), atol=0.35)
    assert set(column(make("ego_graphs", split="unseen", examples=60), "label")) == set(
        range(150, 170)
    )
    assert set(column(make("ego_graphs", split="pretrain", examples=400), "label")) < set(
        range(150)
    )


def test_named_sounds_are_two_trembling_tones():
    clean = make("named_sounds", examples=200, noise=0.0)
    other = make("named_sounds", examples=200, noise=0.0, split="test")
    sounds, again = column(clean, "audio"), column(other, "audio")
    assert sounds.shape == (200, 16, 32)
    assert [clean[row]["text"] for row in (0, 7, 57)] == ["sound0", "sound7", "sound7"]
    # A sound is one spectrum, times gain and trembling: of rank 1, and the same in both splits.
    for row in range(50):
        together = np.concatenate([sounds[row], sounds[row + 50], again[row]])
        size = np.linalg.svd(together, compute_uv=False)
        assert size[1] < 1e-5 * size[0]
        strength = together[:16].sum(1)
        assert 1 < strength.max() / strength.min() <= 3.001  # between 0.5 and 1.5
    assert np.abs(sounds[:50] - again[:50]).max() > 0.1  # but another gain and phase
    noisy = column(make("named_sounds", examples=200), "audio") - sounds
    assert noisy.std() == pytest.approx(0.3, rel=0.02)


def test_sets_of_dialog_trees_are_nodes_and_paths_of_one_tree():
    source = make("dialog_trees", examples=400)
    nodes = {view: column(source, view) for view in ("D", "I", "S", "V", "DI", "SV", "DISV")}
    np.testing.assert_array_equal(nodes["D"].sum(1), 1)
    slots = nodes["S"].sum(1)
    assert set(slots) == {0, 1, 2, 3}
    np.testing.assert_array_equal(nodes["SV"].sum(1), slots)
    domain, intent = nodes["D"].argmax(1), nodes["I"].argmax(1)
    np.testing.assert_array_equal(nodes["DI"].argmax(1), 6 * domain + intent)
    np.testing.assert_array_equal(intent, column(source, "intent"))
    paths = nodes["DISV"].reshape(400, 30, 8, 20)
    np.testing.assert_array_equal(paths.any((2, 3)), nodes["DI"] * (slots > 0)[:, None])
    np.testing.assert_array_equal(paths.any((1, 3)), nodes["S"])
    np.testing.assert_array_equal(paths.any(1).reshape(400, 160), nodes["SV"])
    said = [[w for w in source[i]["text"].split() if w.startswith("S")] for i in range(400)]
    for i, words in enumerate(said):  # a word of a slot names one of the tree
        assert all(nodes["S"][i, int(word[1])] for word in words)
    shots = column(make("dialog_trees", split="shots"), "intent")
    np.testing.assert_array_equal(np.bincount(shots), [7, 7, 7, 7, 6, 6])
    bare = make("dialog_trees", split="unlabelled")
    assert not column(bare, "SV").any()
    assert not column(bare, "labelled").any()


def test_a_song_holds_the_events_that_its_text_names():
    source = make("event_songs", examples=200, segments=5)
    songs, words = column(source, "audio"), [source[i]["text"].split() for i in range(200)]
    heard = {}
    for song, said in zip(songs, words, strict=True):
        assert song.shape == (5, 48)
        for word in said:
            heard.setdefault(word, []).append(song)
    # Segments of one event in two songs are nearer to each other than any others: noise of 0.3.
    spread = [
        ((a[:, None] - b[None]) ** 2).mean(-1).min()
        for first, *others in heard.values()
        for a, b in ((first, other) for other in others if other is not first)
    ]
    assert len(spread) > 50
    assert np.median(spread) == pytest.approx(2 * 0.3**2, rel=0.1)
    with pytest.raises(ConfigError, match="segments' should be"):
        SOURCES.spec("event_songs", segments=2)


def test_studies_show_in_a_region_what_its_phrase_names():
    source = make("studies", split="phrases", examples=400)
    image, region = column(source, "image"), column(source, "region").astype(bool)
    np.testing.assert_array_equal(region.sum(1), 4)
    named = np.array([int(s[7:].rstrip("abc")) for s, _ in (r["phrase"].split() for r in source)])
    codes = image[:, :, :24]
    assert (image[:, :, 24:] == image[:1, :, 24:]).all()  # which patch it is
    inside = np.stack([own[r].mean(0) for own, r in zip(codes, region, strict=True)])
    for number in np.unique(named):  # one finding looks alike at every place
        own = inside[named == number]
        assert np.linalg.norm(own.mean(0)) == pytest.approx(2, abs=0.35)
    report = make("studies", split="reports")[0]
    assert set(report) == {"id", "key", "findings", "impression", "report"}
    assert report["report"] == [report["findings"], report["impression"]]

    def said(text):
        return {word.rstrip("abc") for word in text.split() if not word.startswith("filler")}

    assert said(report["findings"]) == said(report["impression"])
    assert len(report["findings"].split()) == 17
    words = make("studies", split="words", examples=60)
    assert len({words[i]["phrase"] for i in range(60)}) == 60
    np.testing.assert_array_equal(np.bincount(column(words, "finding")), 3)


def test_action_sequences_show_what_the_text_names_and_copies_differ_in_one():
    source = make("action_sequences", split="test", examples=80)
    rows = [source[i] for i in range(80)]
    named = [[int(w[6:]) for w in row["text"].split() if w[0] == "a"] for row in rows]
    assert all(len({*own}) == 6 for own in named)
    for i, row in enumerate(rows):
        original = named[i - i % 4]
        assert sum(a != b for a, b in zip(named[i], original, strict=True)) == (i % 4 > 0)
        assert row["item"] == i // 4
        assert row["motion"].shape[1:] == (24,)
        assert row["motion"].shape[0] == row["video"].shape[0]
        assert 6 <= len(row["audio"]) <= 18
    # The first window of a row shows its first action.
    first = [row["motion"][0] for row in rows]
    means = {a: np.mean([x for x, n in zip(first, named, strict=True) if n[0] == a], axis=0)
             for a in {n[0] for n in named}}  # fmt: skip
    spread = [((x - means[n[0]]) ** 2).mean() for x, n in zip(first, named, strict=True)]
    assert np.mean(spread) < 0.5**2
    assert np.var(list(means.values()), axis=0).mean() > 0.5


def test_part_scenes_have_classes_of_two_parts_and_the_mask_of_what_is_shown():
    """Where a mask says so are colours of the class; other objects share no part with it."""
    names = {row["class"]: row["text"] for row in SOURCES["part_scenes"](split="names")}
    seen, novel = (
        {row["class"] for row in SOURCES["part_scenes"](split=s)} for s in ("seen", "novel")
    )
    assert (len(seen), len(novel)) == (20, 10)
    assert seen | novel == set(names)
    assert not seen & novel
    alone = 0
    for row in SOURCES["part_scenes"](split="novel", examples=80):
        upper, lower = names[row["class"]]
        assert row["class"] == f"{upper}/{lower}"
        assert row["text"].startswith(f"{upper} {lower} ")
        assert not {upper, lower} & set(row["text"].split()[2:])
        cells = np.kron(row["mask"].reshape(8, 8), np.ones((4, 4)))
        inside = row["image"][cells >= min(0.75, cells.max())] / 255
        assert inside.std(1).mean() > 0.15  # colours; the ground's noise has 0.08
        area = 16 * row["mask"].sum()
        assert 12 * 6 - 1e-3 <= area <= 16 * 16 + 1e-3
        alone += area < 12 * 12 - 1e-3
        assert row["support"] or area >= 12 * 12 - 1e-3
    assert 10 < alone <= 20  # a half of the supports, of which some are as large


def test_prompted_regions_say_which_region_fits_in_part_or_whole():
    """Each kind of prompt alone fits two regions of a test, both together the target."""
    noiseless = {}
    for split in ("train", "test", "conflict", "identities"):
        rows = list(SOURCES["prompted_regions"](split=split, examples=100))
        for row in rows:
            if split == "identities":
                noiseless[row["text"]] = row["visual"]
                continue
            assert row["image"].shape == (4, 32)
            assert row["region"].sum() == 1
            if split == "train":
                assert ("text" in row) != ("visual" in row)
                assert row["fits"][row["region"] == 1] == 1
                assert row["fits"].sum() in (1, 2)
    assert len(noiseless) == 100
    names = list(noiseless)

    def named(look):
        """The identity that looks most like it."""
        return names[int(((np.stack([*noiseless.values()]) - look) ** 2).sum(1).argmin())]

    right = {"test": 0, "conflict": 0}
    for split in right:
        for row in SOURCES["prompted_regions"](split=split, examples=100):
            shapes, colours = zip(*(named(region).split() for region in row["image"]), strict=True)
            target = int(row["region"].argmax())
            shape, colour = row["text"].split()
            assert shape == "any-shape"
            if split == "conflict":
                look = named(row["visual"]).split()
                right[split] += look[0] == shapes[target] and look[1] not in colours
            else:
                same = sorted((shapes.count(shapes[target]), colours.count(colour)))
                right[split] += colours[target] == colour and same == [2, 2]
    assert min(right.values()) > 75  # the names are guessed


def test_objects_of_pages_are_in_the_patches_of_their_boxes():
    """A patch is nearer to its type's mean, the ground taken off, than to another's."""
    rows = list(SOURCES["object_pages"](split="fit"))
    ground = {}
    patches, types = [], []
    for row in rows:
        assert (row["image"].shape, row["objects"].shape) == ((16, 24), (5, 28))
        left, top = (row["boxes"][:, :2] * 4).T.astype(int)
        assert (row["boxes"][:, 2:] == 0.25).all()
        places = 4 * top + left
        assert len(set(places)) == 5
        assert np.flatnonzero(row["region"]).tolist() == [places[-1]]
        assert row["types"][-1] == f"type{row['type']}"
        empty = np.delete(row["image"], places, axis=0).mean(0)
        patches += list(row["image"][places] - empty)
        types += row["types"]
        key = row["caption"][:24].tobytes()
        ground.setdefault(key, []).append(empty)
        for name, place, own in zip(row["types"], places, row["objects"], strict=True):
            same = [o for n, o in zip(row["types"], row["objects"], strict=True) if n == name]
            assert all((o[:24] == own[:24]).all() for o in same)
            angles = np.array(divmod(place, 4)) * np.pi / 4
            np.testing.assert_allclose(own[24:26], np.sin(angles), atol=1e-6)
    assert len(ground) == 6
    assert max(np.std(own, axis=0).mean() for own in ground.values()) < 0.3
    patches, types = np.array(patches), np.array(types)
    names = np.unique(types)
    means = np.stack([patches[types == name].mean(0) for name in names])
    nearest = names[((patches[:, None] - means) ** 2).sum(-1).argmin(1)]
    assert (nearest == types).mean() > 0.9


def test_grid_objects_are_in_their_cells_and_look_like_their_attributes():
    """A cell's content is linear in the attributes of the noun that names it."""
    words = {row["text"]: row for row in SOURCES["grid_objects"](split="words")}
    assert len(words) == 40
    assert sorted({row["category"] for row in words.values()}) == [0, 1, 2, 3]
    seen, told = [], []
    for row in SOURCES["grid_objects"](split="test"):
        caption = row["text"].split()
        assert len(set(caption)) == 6
        assert sum(word in words for word in caption) == 3
        assert row["phrase"] in caption
        (cell,) = np.flatnonzero(row["region"])
        seen.append(row["image"][cell])
        told.append(words[row["phrase"]]["attributes"])
    seen, told = np.array(seen), np.array(told)
    left = seen - told @ np.linalg.lstsq(told, seen, rcond=None)[0]
    assert 0.45 < left.std() < 0.55  # the noise


def test_class_captions_say_a_class_and_attributes_that_images_show():
    train, test = (SOURCES["class_captions"](split=s) for s in ("train", "test"))
    labels = column(train, "label")
    assert len(train) == 150
    assert (np.bincount(labels)[100:] == 5).all()
    assert {*labels} == {*range(100, 130)} >= {*column(test, "label")}
    first = next(row for row in train if row["label"] == 100)
    again = [row for row in train if row["label"] == 100][1]
    np.testing.assert_array_equal(first["text"], again["text"])
    assert np.asarray(first["text"]).shape == np.asarray(first["text_wrong"]).shape == (40, 64)

    def cosine(a, b):
        return (unit(np.arctanh(np.clip(a, -0.999999, 0.999999))) * unit(
            np.arctanh(np.clip(b, -0.999999, 0.999999)))).sum(-1).mean()  # fmt: skip

    # Captions share the class, those with another one the attributes; names are of the class alone.
    name = first["class_name"]
    assert cosine(np.asarray(first["text"]), name) > cosine(np.asarray(first["text_wrong"]), name)
    assert cosine(np.asarray(first["text"]), np.asarray(first["text_wrong"])) > 0.3
    # A linear map from images finds a row's own caption among ten of its class far above chance.
    pretrain = SOURCES["class_captions"](examples=3000)
    told, _, _, _ = np.linalg.lstsq(column(pretrain, "image"), column(pretrain, "text"), rcond=None)
    found = unit(column(test, "image") @ told)
    every = np.stack([column(test, n) for n in ("text", *(f"text_{i}" for i in range(1, 10)))])
    scores = (unit(every) * found).sum(-1)
    assert (scores.argmax(0) == 0).mean() > 0.4
