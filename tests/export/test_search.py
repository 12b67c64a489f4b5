"""`python -m mmjax.search`: what is near to a text or a file, among what `mmjax.embed` wrote."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from absl.testing import flagsaver
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from third_party import needs

import mmjax
from mmjax import embed, search
from mmjax import recipe as recipe_lib
from mmjax.bench import search as bench
from mmjax.commands.data_source import source_of
from mmjax.errors import ConfigError, UserError
from mmjax.evaluators import neighbours
from mmjax.inference import index as index_lib
from mmjax.inference.index import Index
from mmjax.train import trainer


@pytest.fixture
def set_flags():
    with flagsaver.flagsaver():

        def to(**values):
            for name, value in values.items():
                setattr(search.flags.FLAGS, name, value)

        search.flags.FLAGS(["mmjax"])
        yield to


@pytest.fixture
def pictures(run_of, tmp_path, set_flags):
    """(the file of an index of two pictures and three texts, the run that made it)."""
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        pixels = rng.integers(0, 255, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    table = tmp_path / "pairs.csv"
    table.write_text("image,text\na.png,a dog\na.png,the same dog\nb.png,a cat\n")
    run = run_of("clip")
    set_flags(model=str(run), data=str(table), out=str(tmp_path / "pairs.npz"), batch_size=2)
    embed.main(None, [])
    set_flags(model=None, data=None, out=None)
    return tmp_path / "pairs.npz", run


def columns(embeddings, modalities=("image",)):
    count = len(embeddings)
    return {
        "modality": np.resize(np.array(modalities), count),
        "key": np.arange(count).astype(str),
        "id": np.arange(count),
        "embedding": embeddings,
    }


def unit(x):
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(0, 9),
    st.integers(1, 23),
    st.integers(1, 30),
    st.integers(1, 8),
    st.integers(1, 11),
)
def test_tiles_find_what_a_full_sort_finds(seed, q, n, k, rows, columns):
    rng = np.random.default_rng(seed)
    # Whole numbers, of which many scores are equal: the first of them is asked for.
    query, gallery = (rng.integers(-2, 3, (count, 3)).astype(np.float32) for count in (q, n))
    scores, positions = neighbours.Gallery(gallery, columns).nearest(query, k, rows)
    full = query @ gallery.T
    order = np.argsort(-full, axis=1, kind="stable")[:, :k]
    np.testing.assert_array_equal(positions, order)
    np.testing.assert_array_equal(scores, np.take_along_axis(full, order, 1))
    assert scores.shape == (q, min(k, n))


def test_a_text_finds_what_the_model_finds_nearest(pictures, set_flags, capsys):
    file, run = pictures
    set_flags(index=str(file), query="a dog", json=True, top=3)
    search.main(None, [])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(found) == 3
    assert (found[0]["text"], found[0]["modality"]) == ("a dog", "text")
    assert found[0]["score"] == pytest.approx(1, abs=1e-5)
    model = mmjax.load(run)
    images = model.encode(image=[file.with_name("a.png"), file.with_name("b.png")])
    set_flags(**{"in": ["image"]})
    search.main(None, [])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    cosines = np.sort(model.similarity(model.encode(text=["a dog"]), images)[0])[::-1]
    np.testing.assert_allclose([each["score"] for each in found], cosines, atol=1e-5)


def test_a_picture_finds_itself_in_a_table(pictures, set_flags, capsys):
    file, _ = pictures
    set_flags(index=str(file), query=str(file.with_name("b.png")), top=2)
    search.main(None, [])
    said = capsys.readouterr().out.splitlines()
    assert said[2].split()[:3] == ["1", "1.000", "image"]
    assert said[-1] == "among 5 items of image, text"


def test_the_command_takes_two_words(pictures):
    file, run = pictures
    file.with_name("pairs.npz.json").unlink()
    words = [str(file), "a cat", "--top=1", f"--model={run}", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "mmjax", "search", *words],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["text"] == "a cat"


def test_a_folder_of_pictures_needs_no_captions(pictures, set_flags, capsys):
    file, run = pictures
    folder = file.parent / "photos"
    folder.mkdir()
    for name in ("a", "b"):
        shutil.copy(file.with_name(f"{name}.png"), folder)
    set_flags(model=str(run), data=str(folder), out=str(folder / "photos.npz"))
    embed.main(None, [])
    set_flags(model=None, index=str(folder / "photos.npz"), query="a dog")
    search.main(None, [])
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "among 2 items of image"
    assert {line.split()[3] for line in said[-4:-2]} == {"a.png", "b.png"}


def test_a_folder_is_of_what_it_holds(tmp_path):
    for name in ("a.wav", "b.wav", "notes.pdf"):
        (tmp_path / name).write_bytes(b"x")
    source = source_of(str(tmp_path), alone=True)
    assert source.modalities == ("audio",)
    assert [record["key"] for record in source] == ["a.wav", "b.wav"]
    with pytest.raises(ConfigError, match="holds 2 audio files but no captions"):
        source_of(str(tmp_path))


@pytest.fixture(scope="module")
def matching_run(config_for, tmp_path_factory):
    """A run with a matching term between texts and images."""
    tree = config_for("clip", "tiny").plain()
    sizes = {"inputs": {"text": 16, "image": 24}, "width": 16, "heads": 2}
    tree["objectives"]["itm"] = {"type": "matching", **sizes}
    folder = tmp_path_factory.mktemp("runs") / "matching"
    trainer.train(recipe_lib.complete(tree, "tiny"), folder, quiet=True)
    return folder


@pytest.mark.long
def test_a_matching_term_scores_pairs_of_values(matching_run, pictures, run_of):
    file, _ = pictures
    images = [file.with_name("a.png"), file.with_name("b.png")]
    model = mmjax.load(matching_run)
    both = model.match(texts=["a dog", "a cat"], images=images)
    assert both.shape == (2,)
    one = model.match(texts=["a dog"], images=images)
    assert one[0] == pytest.approx(both[0], abs=1e-5)
    assert one[1] != pytest.approx(both[1], abs=1e-5)
    swapped = model.match(images=images, texts=["a dog", "a cat"], term="itm", batch_size=1)
    np.testing.assert_allclose(swapped, both, atol=1e-5)
    with pytest.raises(ConfigError, match="equally many of both, or one of one, but has"):
        model.match(texts=["a"] * 3, images=images)
    with pytest.raises(ConfigError, match="match takes two modalities"):
        model.match(texts=["a"])
    with pytest.raises(ConfigError, match="score pairs: 'itm'; there is no 'loss'"):
        model.match(texts=["a"], images=images, term="loss")
    with pytest.raises(ConfigError, match="score pairs: none; say which"):
        mmjax.load(run_of("clip")).match(texts=["a"], images=images)


@pytest.mark.long
def test_what_is_near_is_put_in_the_order_of_the_term(matching_run, pictures, set_flags, capsys):
    file, _ = pictures
    table, out = file.with_name("pairs.csv"), file.with_name("matched.npz")
    set_flags(model=str(matching_run), data=str(table), out=str(out))
    embed.main(None, [])
    set_flags(model=None, out=None, index=str(out), query=str(file.with_name("a.png")), json=True)
    set_flags(rerank=True)
    with pytest.raises(ConfigError, match=r"orders items of one modality, .*say which with --in"):
        search.main(None, [])
    set_flags(**{"in": ["text"]})
    capsys.readouterr()
    search.main(None, [])
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    texts = [each["text"] for each in found]
    assert sorted(texts) == ["a cat", "a dog", "the same dog"]
    scores = mmjax.load(matching_run).match(texts=texts, images=[file.with_name("a.png")])
    np.testing.assert_allclose([each["score"] for each in found], scores, atol=1e-5)
    assert list(scores) == sorted(scores, reverse=True)
    other = file.with_name("other.csv")
    other.write_text("image,text\na.png,a bird\n")
    set_flags(data=str(other))
    with pytest.raises(ConfigError, match=r"--data has no text of .*: give the data that were"):
        search.main(None, [])


def test_an_index_without_the_name_of_its_model_asks_for_it(pictures, set_flags):
    file, _ = pictures
    card = file.with_name("pairs.npz.json")
    set_flags(index=str(file), query="a cat")
    card.write_text("{}")
    with pytest.raises(ConfigError, match=r"pairs\.npz\.json is damaged: .* give --model"):
        search.main(None, [])
    card.unlink()
    with pytest.raises(ConfigError, match=r"which names the model, is not there: give --model"):
        search.main(None, [])


def test_outputs_of_encoders_are_not_searched(pictures, set_flags):
    file, run = pictures
    index_lib.write_card(file, str(run), "latest", "encoder")
    set_flags(index=str(file), query="a cat")
    with pytest.raises(ConfigError, match="embed it anew with --layer=unit"):
        search.main(None, [])


@pytest.mark.parametrize(
    ("query", "given", "message"),
    [
        ("a dog", "audio", "--modality=audio: the model embeds image, points"),
        ("a dog", None, "there is no file a dog, and no text can be searched by"),
        ("x.txt", None, "say what .*x.txt is with --modality"),
    ],
)
def test_a_query_that_cannot_be_embedded_is_refused(tmp_path, query, given, message):
    (tmp_path / "x.txt").write_text("")
    query = str(tmp_path / query) if query.startswith("x") else query
    with pytest.raises(ConfigError, match=message):
        search.modality_of_query(query, ("image", "points"), given)


def test_the_ending_of_a_file_says_what_it_is(tmp_path):
    for name, modality in (("a.JPG", "image"), ("b.wav", "audio"), ("c", "text")):
        (tmp_path / name).touch()
        path = tmp_path / name if modality != "text" else "a.jpg of nothing"
        assert search.modality_of_query(str(path), ("image", "audio", "text")) == modality


def test_wrong_indexes_are_refused(tmp_path):
    index = Index(columns(np.eye(3, dtype=np.float32)), "pairs.npz")
    with pytest.raises(ConfigError, match=r"4 numbers and pairs\.npz holds embeddings of 3"):
        index.search(np.zeros((1, 4), np.float32))
    with pytest.raises(ConfigError, match=r"pairs\.npz has no items of 'text', only of image"):
        index.search(np.zeros((1, 3), np.float32), modalities=["text"])
    with pytest.raises(ConfigError, match=r"embeddings of sizes \[2, 3\]"):
        Index(columns([np.zeros(2), np.zeros(3)]))
    with pytest.raises(ConfigError, match="holds no items"):
        Index(columns([]))
    with pytest.raises(ConfigError, match=r"notes\.txt is no index"):
        index_lib.read(tmp_path / "notes.txt")


def test_parts_are_one_index(tmp_path):
    x = unit(np.random.default_rng(0).standard_normal((7, 4)))
    whole = Index(columns(x))
    for number, rows in enumerate((slice(0, 3), slice(3, 7))):
        part = {name: values[rows] for name, values in columns(x).items()}
        embed.write(part, tmp_path / f"e-{number:05}-of-00002.npz")
    index_lib.write_card(tmp_path / "e-00000-of-00002.npz", "hf://owner/name", "best")
    parts = str(tmp_path / "e-*.npz")
    assert index_lib.read_card(parts)["model"] == "hf://owner/name"
    found, right = (each.search(x[:2], 5) for each in (Index(index_lib.read(parts)), whole))
    assert [[hit.row for hit in hits] for hits in found] == [
        [hit.row for hit in hits] for hits in right
    ]


def test_a_graph_finds_nearly_all_and_is_kept(tmp_path):
    needs("faiss")
    x, asked = bench.generated(2000, 16, 20)
    file = tmp_path / "pairs.npz.hnsw"
    exact, graph = (Index(columns(x, ("image", "text"))) for _ in range(2))
    assert graph.approximate(file) == f"graph made and written to {file}"
    right, found = (bench.rows_of(each, asked) for each in (exact, graph))
    assert bench.recall(found, right) > 0.95
    texts = graph.search(asked, 10, ["text"])
    assert {hit.item["modality"] for hits in texts for hit in hits} == {"text"}
    of_texts = exact.search(asked, 10, ["text"])
    rows = [[[hit.row for hit in hits] for hits in each] for each in (texts, of_texts)]
    assert bench.recall(*rows) > 0.9
    again = Index(columns(x))
    assert again.approximate(file) == f"graph read from {file}"
    assert bench.rows_of(again, asked) == found
    # Of other embeddings, equally many of equal size.
    other = Index(columns(np.ascontiguousarray(x[::-1])))
    assert "made and written" in other.approximate(file)
    file.write_bytes(b"no graph")
    with pytest.raises(UserError, match="no graph of faiss, or damaged: remove it"):
        again.approximate(file)


def test_the_benchmark_measures_both_ways(tmp_path, capsys):
    needs("faiss")
    output = tmp_path / "search.json"
    bench.main(
        ["--items", "300", "--dim", "8", "--queries", "3", "--repeats", "1", f"--output={output}"]
    )
    said = capsys.readouterr().out
    assert "exact" in said
    assert "graph" in said
    rows = json.loads(output.read_text())["rows"]
    assert rows[0]["recall@10"] == 1


def test_a_moved_folder_is_named_by_its_whole_path(tmp_path, monkeypatch):
    (tmp_path / "run").mkdir()
    monkeypatch.chdir(tmp_path)
    index_lib.write_card(tmp_path / "a.npz", "run", "latest")
    assert index_lib.read_card(tmp_path / "a.npz")["model"] == str(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
