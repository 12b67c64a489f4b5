import io

import jax
import numpy as np
import pytest
from PIL import Image

from mmjax.report import gather, thumbnails


def test_what_is_written_is_read_again(tmp_path, make_data, make_model):
    written = gather.gather(make_model(noise=1.0), make_data(), tmp_path, name="test")
    again = gather.read(tmp_path)
    assert again.keys() == written.keys()
    for name, value in written.items():
        np.testing.assert_array_equal(again[name], value)
    assert sorted(p.name for p in tmp_path.iterdir()) == [gather.FILE]


def test_only_the_first_process_writes(tmp_path, make_data, make_model, monkeypatch):
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    assert gather.gather(make_model(), make_data(), tmp_path)["pairs"] == 30
    assert list(tmp_path.iterdir()) == []


def test_a_perfect_model_is_right_everywhere(make_data, make_model):
    shown = gather.gather(make_model(), make_data(), None, heat_map_pairs=10)
    assert shown["similarity"].shape == (10, 10)
    np.testing.assert_allclose(np.diag(shown["similarity"]), 1, atol=1e-5)
    assert shown["centroid_distance"] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(shown["points"][0], shown["points"][1], atol=1e-5)
    for gallery in shown["galleries"]:
        assert (gallery["asked"], gallery["right"], gallery["size"]) == (30, 30, 30)
        assert len(gallery["parts"]["right"]) == 4
        assert gallery["parts"]["wrong"] == gallery["parts"]["worst"] == []
        for query in gallery["parts"]["right"]:
            assert query["rank"] == 1
            assert [a["right"] for a in query["answers"]] == [True] + 4 * [False]
            assert query["answers"][0]["item"]["key"] == query["item"]["key"]


def test_galleries_equal_a_plain_sort(make_data, make_model):
    model, data = make_model(noise=1.2, seed=3), make_data()
    shown = gather.gather(model, data, None, queries=3, answers=4)
    vectors = {m: model.embed(m, np.arange(30)[:, None]) for m in ("image", "text")}
    for gallery in shown["galleries"]:
        scores = vectors[gallery["query"]] @ vectors[gallery["answer"]].T
        ranks = (scores > np.diag(scores)[:, None]).sum(1) + 1
        assert gallery["right"] == (ranks == 1).sum()
        assert 0 < gallery["right"] < 30
        parts = gallery["parts"]
        asked = {part: [number(q["item"]) for q in own] for part, own in parts.items()}
        assert all(ranks[n] == 1 for n in asked["right"])
        assert all(ranks[n] > 1 for n in asked["wrong"] + asked["worst"])
        assert not set(asked["wrong"]) & set(asked["worst"])
        others = set(range(30)) - set(asked["wrong"])
        assert sorted(ranks[asked["worst"]]) == sorted(sorted(ranks[list(others)])[-3:])
        for query in [q for own in parts.values() for q in own]:
            n = number(query["item"])
            best = np.argsort(-scores[n])[:4]
            assert query["rank"] == ranks[n]
            assert [number(a["item"]) for a in query["answers"]] == best.tolist()
            assert [a["right"] for a in query["answers"]] == [b == n for b in best]
            np.testing.assert_allclose(
                [a["score"] for a in query["answers"]], scores[n][best], 1e-4
            )
            assert number(query["best"]["item"]) == n
            assert query["best"]["score"] == pytest.approx(scores[n, n], abs=1e-5)


def number(item):
    return int(item["key"].split()[1])


def test_texts_are_texts_and_pictures_are_small_pictures(make_data, make_model):
    shown = gather.gather(make_model(), make_data(), None)
    first, second = shown["galleries"]
    item = first["parts"]["right"][0]["item"]
    assert item.keys() == {"key", "picture"}
    picture = Image.open(io.BytesIO(shown[f"picture/{item['picture']}"].tobytes()))
    assert picture.format == "PNG"
    assert picture.size == (96, 48)
    assert second["parts"]["right"][0]["item"].keys() == {"key", "text"}
    # An image that is shown twice is stored once.
    count = sum(key.startswith("picture/") for key in shown)
    assert count <= 30


def test_vectors_are_shown_by_their_keys(tmp_path, make_data, make_model):
    shown = gather.gather(make_model(("a", "b")), make_data(12, ("a", "b")), tmp_path)
    assert not any(key.startswith("picture/") for key in shown)
    assert shown["galleries"][0]["parts"]["right"][0]["item"].keys() == {"key"}
    assert gather.read(tmp_path)["pair"] == ["a", "b"]


def test_one_modality_is_no_pair_and_the_reason_is_kept(tmp_path, make_data, make_model):
    gather.gather(make_model(("text",)), make_data(), tmp_path, name="test")
    assert "have text in common" in gather.read(tmp_path)["missing"]
    shown = gather.gather(make_model(), make_data(), None, pair=("image", "sound"))
    assert "image, text in common" in shown["missing"]


def test_embeddings_of_two_sizes_are_no_pair_and_the_reason_is_kept(
    tmp_path, make_data, make_model
):
    model = make_model()
    embed = model.embed

    def longer(modality, array, layer="unit"):
        found = embed(modality, array)
        return np.pad(found, ((0, 0), (0, 3))) if modality == "text" else found

    model.embed = longer
    shown = gather.gather(model, make_data(), tmp_path, name="test")
    assert "numbers, which are not compared" in shown["missing"]


def test_records_of_one_concept_are_drawn_once(make_data, make_model):
    data = make_data()
    plain = type(data.source).__getitem__

    class Twice(type(data.source)):
        def __getitem__(self, index):
            return plain(self, index) | {"id": index // 2}

    data.source = Twice()
    shown = gather.gather(make_model(), data, None)
    assert shown["pairs"] == 30
    assert len(shown["similarity"]) == shown["points"].shape[1] == 15
    assert all(gallery["asked"] == 15 for gallery in shown["galleries"])


def test_records_of_one_class_are_right_answers_of_each_other(make_data, make_model):
    data = make_data()
    plain = type(data.source).__getitem__

    class Classes(type(data.source)):
        def __getitem__(self, index):
            return plain(self, index) | {"group": "odd" if index % 2 else "even"}

    def odd(row):
        return int(row["item"]["key"].split()[1]) % 2

    data.source = Classes()
    shown = gather.gather(make_model(noise=1.0), data, None, label="group")
    assert len(shown["similarity"]) == 30  # of records, as ever
    for gallery in shown["galleries"]:
        assert gallery["asked"] == 30
        for part in gallery["parts"].values():
            for row in part:
                answers = [*row["answers"], row["best"]]
                alike = [odd(a) == odd(row) for a in answers]
                assert [a["right"] for a in answers] == alike
                assert alike[-1]


def test_a_damaged_file_is_named(tmp_path, make_data, make_model):
    gather.gather(make_model(), make_data(), tmp_path)
    path = tmp_path / gather.FILE
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"report_data\.npz is damaged.* evaluate again"):
        gather.read(tmp_path)
    path.unlink()
    assert gather.read(tmp_path) is None


def test_the_plane_is_that_of_a_singular_value_decomposition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)) * [5, 3, 1, 1, 1], rng.normal(size=(40, 5))
    (plane_x, plane_y), explained = gather.principal_plane(x, y)
    both = np.concatenate([x, y]) - np.concatenate([x, y]).mean(0)
    u, s, _ = np.linalg.svd(both, full_matrices=False)
    np.testing.assert_allclose(
        np.abs(np.concatenate([plane_x, plane_y])), np.abs(u[:, :2] * s[:2]), atol=1e-9
    )
    np.testing.assert_allclose(explained, s[:2] ** 2 / (s**2).sum())


def test_a_plane_exists_in_one_dimension_and_without_variance():
    (x, _), explained = gather.principal_plane(np.ones((3, 1)), -np.ones((3, 1)))
    assert x.shape == (3, 2)
    np.testing.assert_allclose(explained, [1, 0])
    (x, _), explained = gather.principal_plane(np.ones((3, 4)), np.ones((3, 4)))
    assert np.isfinite(x).all()
    np.testing.assert_allclose(explained, 0)


def test_histograms_hold_all_cosines_and_no_pair_among_the_others():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 64))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    shown = gather.cosines(x, x)
    assert shown["positive"].sum() == pytest.approx(1)
    assert shown["negative"].sum() == pytest.approx(1)
    assert shown["positive"][-1] == pytest.approx(1)  # all pairs have cosine 1 ...
    assert shown["negative"][-1] == 0  # ... and no others have
    one = gather.cosines(x[:1], x[:1])
    assert one["positive"].sum() == pytest.approx(1)
    assert one["negative"].sum() == 0


def test_like_ones_are_beside_each_other():
    angles = np.array([0.0, 3.0, 0.1, 3.1, 0.2])
    order = gather.like_beside_like(np.stack([np.cos(angles), np.sin(angles)], 1))
    assert order.tolist() == [0, 2, 4, 1, 3]


@pytest.mark.parametrize(
    "raw",
    [
        b"RIFF....WAVE",
        b"",
        np.zeros((3, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        3.5,
    ],
)
def test_what_is_no_picture_has_no_thumbnail(raw):
    assert thumbnails.thumbnail(raw) is None


def test_transparent_parts_are_white_and_arrays_are_pictures():
    clear = np.zeros((10, 10, 4), np.uint8)
    picture = Image.open(io.BytesIO(thumbnails.thumbnail(clear)))
    assert picture.size == (10, 10)
    assert picture.getpixel((5, 5)) == (255, 255, 255)


def test_a_very_long_text_is_cut(make_data, make_model):
    from mmjax.evaluators.data import embed

    data = make_data(2)
    items = embed(make_model(), data, ("text",))["text"]
    long = "word " * 1000 + "1"
    object.__setattr__(items, "source", [{"text": long}, {"text": long}])
    shown = thumbnails.Thumbnails().item(items, 1)
    assert len(shown["text"]) == thumbnails.LONGEST_TEXT
    assert shown["text"].endswith("…")
